/** The codec a ladder's pictures are encoded with. */
export type LadderCodec = 'avc' | 'hevc' | 'av1'

/** What does the encoding: the processor, or a device that this machine has to have. */
export type VideoEncoderKind = 'software' | 'nvenc' | 'qsv' | 'vaapi'

/** An ffmpeg encoder and its presets from the dearest to the cheapest; `[]` where it has none. */
export type EncoderSpec = { readonly name: string; readonly presets: readonly string[] }

const X26X_PRESETS = ['slow', 'medium', 'fast', 'faster', 'veryfast', 'superfast', 'ultrafast']
const NVENC_PRESETS = ['p7', 'p6', 'p5', 'p4', 'p3', 'p2', 'p1']
const QSV_PRESETS = ['slow', 'medium', 'fast', 'faster', 'veryfast']

/** What ffmpeg calls each encoder, and the presets a ladder may name. */
export const encoderTable: Readonly<Record<LadderCodec, Readonly<Record<VideoEncoderKind, EncoderSpec>>>> = {
  avc: {
    software: { name: 'libx264', presets: X26X_PRESETS },
    nvenc: { name: 'h264_nvenc', presets: NVENC_PRESETS },
    qsv: { name: 'h264_qsv', presets: QSV_PRESETS },
    vaapi: { name: 'h264_vaapi', presets: [] },
  },
  hevc: {
    software: { name: 'libx265', presets: X26X_PRESETS },
    nvenc: { name: 'hevc_nvenc', presets: NVENC_PRESETS },
    qsv: { name: 'hevc_qsv', presets: QSV_PRESETS },
    vaapi: { name: 'hevc_vaapi', presets: [] },
  },
  av1: {
    // Not libsvtav1: as ffmpeg 5.1 drives it, it pays no heed to forced key frames, and renditions would be cut apart.
    software: { name: 'libaom-av1', presets: ['5', '6', '7', '8'] },
    nvenc: { name: 'av1_nvenc', presets: NVENC_PRESETS },
    qsv: { name: 'av1_qsv', presets: QSV_PRESETS },
    vaapi: { name: 'av1_vaapi', presets: [] },
  },
}

/** What an encoder is asked for, beside its rate. */
export type EncoderTuning = {
  readonly preset: string | undefined
  readonly bFrames: number
  readonly lookaheadFrames: number
  readonly zeroLatency: boolean
}

function softwareTuning(codec: LadderCodec, tuning: EncoderTuning): string[] {
  const tune = tuning.zeroLatency ? ['-tune', 'zerolatency'] : []
  switch (codec) {
    case 'avc':
      return [
        ...tune,
        ...['-bf', String(tuning.bFrames), '-rc-lookahead', String(tuning.lookaheadFrames)],
        // The look-ahead thread would hold as many frames again; without look-ahead, mb-tree has nothing to work on.
        ...['-x264-params', `sync-lookahead=0:mbtree=${tuning.lookaheadFrames > 0 ? 1 : 0}`],
        ...['-sc_threshold', '0', '-forced-idr', '1'],
      ]
    case 'hevc': {
      // x265 refuses a look-ahead that isn't longer than its run of B-frames.
      const lookahead = Math.max(tuning.lookaheadFrames, tuning.bFrames + 1)
      const params = [
        'log-level=error',
        'open-gop=0',
        'scenecut=0',
        `bframes=${tuning.bFrames}`,
        `rc-lookahead=${lookahead}`,
      ]
      return [...tune, '-forced-idr', '1', '-x265-params', params.join(':')]
    }
    case 'av1':
      return ['-usage', 'realtime', '-lag-in-frames', String(tuning.lookaheadFrames), '-row-mt', '1']
  }
}

function hardwareTuning(kind: Exclude<VideoEncoderKind, 'software'>, tuning: EncoderTuning): string[] {
  const bFrames = ['-bf', String(tuning.bFrames)]
  switch (kind) {
    case 'nvenc':
      return [
        ...bFrames,
        '-rc',
        'vbr',
        '-rc-lookahead',
        String(tuning.lookaheadFrames),
        '-forced-idr',
        '1',
        '-delay',
        '0',
      ]
    case 'qsv':
      return [...bFrames, '-look_ahead', '0', '-forced_idr', '1', '-async_depth', '1']
    case 'vaapi':
      return [...bFrames, '-rc_mode', 'VBR', '-async_depth', '1']
  }
}

/** The arguments that select and tune an encoder, without its rate. */
export function encoderArguments(codec: LadderCodec, kind: VideoEncoderKind, tuning: EncoderTuning): string[] {
  const spec = encoderTable[codec][kind]
  const presetOption = spec.name === 'libaom-av1' ? '-cpu-used' : '-preset'
  const preset = tuning.preset === undefined ? [] : [presetOption, tuning.preset]
  const rest = kind === 'software' ? softwareTuning(codec, tuning) : hardwareTuning(kind, tuning)
  return ['-c:v', spec.name, ...preset, ...rest]
}
