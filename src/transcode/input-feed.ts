import { buildFragment } from '../media/cmaf/fragment.ts'
import { buildInitSegment } from '../media/cmaf/init-segment.ts'
import type { SilentAac } from '../media/codecs/silence.ts'
import { type AudioConfig, type Sample, timescaleOf, VIDEO_TIMESCALE, type VideoConfig } from '../media/media.ts'

const VIDEO_TRACK = 1
const AUDIO_TRACK = 2
const SILENT_FRAME_SAMPLES = 1024
/** Until the second picture tells: ffmpeg takes times from `tfdt`, so that a wrong duration harms nothing. */
const FIRST_DURATION_TICKS = VIDEO_TIMESCALE / 30

/** What a child is fed: `audio` is the source's own configuration, or silence that the feed makes beside the pictures. */
export type FeedTracks = { readonly video: VideoConfig | undefined; readonly audio: AudioConfig | SilentAac }

function isSilence(audio: AudioConfig | SilentAac): audio is SilentAac {
  return 'frame' in audio
}

/** Turns samples into fragmented MP4, one fragment for each, on the epoch timeline. The moov always declares a sound. */
export class InputFeed {
  readonly #tracks: FeedTracks
  readonly #write: (bytes: Uint8Array) => void
  readonly #firstPtsTicks: number
  readonly #audioConfig: AudioConfig
  #sequenceNumber = 0
  #lastDtsTicks: number | undefined
  #durationTicks = FIRST_DURATION_TICKS
  #decodeShiftTicks = 0
  #silenceEndTicks: number | undefined

  /** `firstPtsTicks`: PTS of the first picture; pictures before it are refused. Writes the init segment at once. */
  constructor(tracks: FeedTracks, firstPtsTicks: number, write: (bytes: Uint8Array) => void) {
    this.#tracks = tracks
    this.#firstPtsTicks = firstPtsTicks
    this.#write = write
    this.#audioConfig = isSilence(tracks.audio) ? tracks.audio.config : tracks.audio
    const video = tracks.video === undefined ? [] : [{ trackId: VIDEO_TRACK, config: tracks.video }]
    write(buildInitSegment([...video, { trackId: AUDIO_TRACK, config: this.#audioConfig }]))
  }

  /**
   * False where the sample isn't taken: a picture shown before the first one (an open GOP's leading pictures, of no use
   * to anything after it), or one of a track that this child hasn't got.
   */
  write(kind: 'video' | 'audio', sample: Sample): boolean {
    if (kind === 'audio') {
      if (isSilence(this.#tracks.audio)) return false
      this.#fragment(AUDIO_TRACK, 'audio', sample, this.#audioConfig.samplesPerFrame || SILENT_FRAME_SAMPLES)
      return true
    }
    if (this.#tracks.video === undefined || sample.dtsTicks + sample.compositionTicks < this.#firstPtsTicks)
      return false
    if (this.#lastDtsTicks !== undefined && sample.dtsTicks > this.#lastDtsTicks) {
      this.#durationTicks = sample.dtsTicks - this.#lastDtsTicks
    }
    this.#lastDtsTicks = sample.dtsTicks
    // ffmpeg 5.1 shows a track with negative offsets late; decoding it all earlier leaves every PTS as it is.
    this.#decodeShiftTicks = Math.max(this.#decodeShiftTicks, -sample.compositionTicks)
    const shifted = {
      ...sample,
      dtsTicks: sample.dtsTicks - this.#decodeShiftTicks,
      compositionTicks: sample.compositionTicks + this.#decodeShiftTicks,
    }
    this.#fragment(VIDEO_TRACK, 'video', shifted, this.#durationTicks)
    if (isSilence(this.#tracks.audio)) this.#fillSilence(this.#tracks.audio, sample.dtsTicks + this.#durationTicks)
    return true
  }

  #fillSilence(silence: SilentAac, untilTicks: number): void {
    const ticksPerSample = VIDEO_TIMESCALE / timescaleOf(silence.config)
    this.#silenceEndTicks ??= Math.round(this.#firstPtsTicks / ticksPerSample)
    // A jump of the source's clock isn't filled: the silence jumps with it.
    const oneSecond = timescaleOf(silence.config)
    const until = untilTicks / ticksPerSample
    if (until - this.#silenceEndTicks > 10 * oneSecond) this.#silenceEndTicks = Math.floor(until - oneSecond)
    while (this.#silenceEndTicks < until) {
      const sample = { dtsTicks: this.#silenceEndTicks, compositionTicks: 0, independent: true, data: silence.frame }
      this.#fragment(AUDIO_TRACK, 'audio', sample, SILENT_FRAME_SAMPLES)
      this.#silenceEndTicks += SILENT_FRAME_SAMPLES
    }
  }

  #fragment(trackId: number, kind: 'video' | 'audio', sample: Sample, durationTicks: number): void {
    const { dtsTicks: baseDecodeTicks, compositionTicks, independent, data } = sample
    const { bytes } = buildFragment({
      trackId,
      sequenceNumber: ++this.#sequenceNumber,
      baseDecodeTicks,
      kind,
      samples: [{ durationTicks, compositionTicks, independent, data }],
      opensSegment: false,
    })
    this.#write(bytes)
  }
}
