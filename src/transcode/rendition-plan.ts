import { encoderTable } from './encoders.ts'
import type { Ladder } from './ladder.ts'
import { chooseRungs, type PictureSize } from './rungs.ts'

/** ffmpeg's `aac` keeps its average but lets a single second run over it. */
const AUDIO_PEAK = 1.15
const DEFAULT_MAXRATE = 1.2
/** Of the key-frame grid: with it no segment of the grid's length passes 125 % of the declared rate. */
const DEFAULT_BUFFER = 0.25

/** One picture that a child encodes. Rates are in bit/s. */
export type VideoRendition = {
  readonly kind: 'video'
  /** `video-1` is the best rung of the ladder; a rung keeps its name whatever the source or the load leaves out. */
  readonly name: string
  readonly size: PictureSize
  readonly bitrate: number
  readonly maxrate: number
  /** Rate buffer in bits. */
  readonly bufsize: number
}

/** The sound that a child encodes. Rates are in bit/s. */
export type AudioRendition = {
  readonly kind: 'audio'
  readonly name: string
  readonly bitrate: number
  readonly maxrate: number
  readonly sampleRateHz: number
  readonly channels: number
}

/** What one child encodes, in ladder order, and the preset it does it with. */
export type RenditionPlan = {
  readonly video: readonly VideoRendition[]
  readonly audio: AudioRendition
  readonly preset: string | undefined
}

/** How many steps of saving a ladder has for a source: each cheaper preset, then each rung that may go. */
export function costSteps(ladder: Ladder, source: PictureSize): number {
  return cheaperPresets(ladder).length + chooseRungs(ladder, source).length - 1
}

function cheaperPresets(ladder: Ladder): readonly string[] {
  const { presets } = encoderTable[ladder.videoCodec][ladder.videoEncoder]
  return ladder.preset === undefined ? [] : presets.slice(presets.indexOf(ladder.preset) + 1)
}

/**
 * What to encode of a source (`undefined`: it has no picture). `savings` is how many steps of load to shed: first one
 * cheaper preset for each, then one rung from the top for each, never the last one.
 */
export function planRenditions(
  ladder: Ladder,
  source: PictureSize | undefined,
  options: { readonly savings: number; readonly gridSeconds: number },
): RenditionPlan {
  const cheaper = cheaperPresets(ladder)
  const preset =
    options.savings === 0 ? ladder.preset : (cheaper[options.savings - 1] ?? cheaper.at(-1) ?? ladder.preset)
  const rungs = source === undefined ? [] : chooseRungs(ladder, source)
  const rungsToDrop = Math.min(rungs.length - 1, Math.max(0, options.savings - cheaper.length))
  const video = rungs.slice(Math.max(0, rungsToDrop)).map(({ index, rung, size }): VideoRendition => {
    const maxrate = 1000 * (rung.maxrateKbps ?? Math.round(rung.bitrateKbps * DEFAULT_MAXRATE))
    const bufsize =
      rung.bufsizeKbps === undefined
        ? Math.round(maxrate * DEFAULT_BUFFER * options.gridSeconds)
        : 1000 * rung.bufsizeKbps
    return { kind: 'video', name: `video-${index + 1}`, size, bitrate: 1000 * rung.bitrateKbps, maxrate, bufsize }
  })
  const { bitrateKbps, sampleRateHz, channels } = ladder.audio
  const audio: AudioRendition = {
    kind: 'audio',
    name: 'audio-1',
    bitrate: 1000 * bitrateKbps,
    maxrate: Math.round(1000 * bitrateKbps * AUDIO_PEAK),
    sampleRateHz,
    channels,
  }
  return { video, audio, preset }
}
