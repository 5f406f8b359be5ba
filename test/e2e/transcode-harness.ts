import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { FragmentedMp4Reader } from '../../src/media/isobmff/fragmented-reader.ts'
import { type CodecConfig, type Sample, timescaleOf } from '../../src/media/media.ts'
import { type Ladder, parseLadder } from '../../src/transcode/ladder.ts'
import { LadderTranscoder } from '../../src/transcode/ladder-transcoder.ts'
import type {
  DropReason,
  FailingReport,
  RestartReport,
  TranscodedRendition,
  TranscodeSink,
  TranscodeStats,
} from '../../src/transcode/transcode-sink.ts'
import { defaultTranscoderTimes, type LadderTranscoderOptions } from '../../src/transcode/transcoder-options.ts'

const run = promisify(execFile)

/** Not on the key-frame grid, so that a test sees whether the grid is the epoch's. */
export const EPOCH_SECONDS = 1_763_000_000.52

export type SourceItem = { readonly kind: 'video' | 'audio'; readonly sample: Sample; readonly atMs: number }
export type Source = { readonly configs: readonly CodecConfig[]; readonly items: readonly SourceItem[] }

/** How ffmpeg makes a source: its inputs, and how each track is encoded. */
export type SourceRecipe = {
  readonly inputs: readonly string[]
  readonly video?: readonly string[]
  readonly audio?: readonly string[]
}

/**
 * What ffmpeg makes of a recipe, as samples on the epoch timeline in the order they would arrive. Each track is a file
 * of its own: with two in one, ffmpeg 5.1 repeats some times of the longer track at its end.
 */
export async function makeSource(recipe: SourceRecipe, startSeconds = EPOCH_SECONDS): Promise<Source> {
  const folder = await mkdtemp(join(tmpdir(), 'transcode-source-'))
  const times = ['-use_editlist', '0', '-avoid_negative_ts', 'disabled', '-output_ts_offset', String(startSeconds)]
  const flags = ['-movflags', '+frag_every_frame+empty_moov+default_base_moof+frag_discont+skip_sidx']
  const output = (args: readonly string[], name: string) => [
    ...args,
    ...['-video_track_timescale', '90000', ...times, '-f', 'mp4', ...flags, join(folder, name)],
  ]
  const video = recipe.video ? output(['-map', '0:v', ...recipe.video], 'video.mp4') : []
  const audio = recipe.audio ? output(['-map', recipe.video ? '1:a' : '0:a', ...recipe.audio], 'audio.mp4') : []
  try {
    await run('ffmpeg', ['-v', 'error', '-nostdin', ...recipe.inputs, ...video, ...audio])
    const names = [...(recipe.video ? ['video.mp4'] : []), ...(recipe.audio ? ['audio.mp4'] : [])]
    const tracks = await Promise.all(names.map(async (name) => readTrack(await readFile(join(folder, name)))))
    const items = tracks.flatMap((track) => track.items).sort((a, b) => a.atMs - b.atMs)
    return { configs: tracks.map(({ config }) => config), items }
  } finally {
    await rm(folder, { recursive: true })
  }
}

function readTrack(bytes: Uint8Array): { readonly config: CodecConfig; readonly items: readonly SourceItem[] } {
  let config: CodecConfig | undefined
  const items: SourceItem[] = []
  for (const event of new FragmentedMp4Reader().push(bytes)) {
    if (event.type === 'init') {
      config = event.tracks[0]?.config
    } else if (config) {
      const { sample } = event
      items.push({ kind: config.kind, sample, atMs: (sample.dtsTicks * 1000) / timescaleOf(config) })
    }
  }
  if (!config) throw new Error('no track')
  return { config, items }
}

export const TEST_PATTERN = ['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25:d=6']
export const TONE = ['-f', 'lavfi', '-i', 'sine=1000:d=6:r=48000']
export const H264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2', '-g', '50', '-pix_fmt', 'yuv420p']
export const AAC = ['-c:a', 'aac', '-ac', '2']

export type OutputSample = { readonly sample: Sample; readonly durationTicks: number; readonly wallMs: number }

/** Keeps everything that a transcoder gives, and the order of what isn't a sample. */
export class RecordingSink implements TranscodeSink {
  readonly lists: (readonly TranscodedRendition[])[] = []
  readonly samples = new Map<string, OutputSample[]>()
  readonly restarts: RestartReport[] = []
  readonly failures: FailingReport[] = []
  readonly drops = new Map<DropReason, number>()
  readonly allStats: TranscodeStats[] = []
  readonly order: string[] = []

  renditions(list: readonly TranscodedRendition[]): void {
    this.lists.push(list)
    this.order.push('renditions')
  }

  sample(rendition: string, sample: Sample, durationTicks: number): void {
    const all = this.samples.get(rendition) ?? []
    all.push({ sample, durationTicks, wallMs: performance.now() })
    this.samples.set(rendition, all)
    if (this.order.at(-1) !== 'samples') this.order.push('samples')
  }

  restarted(report: RestartReport): void {
    this.restarts.push(report)
    this.order.push(`restarted:${report.reason}`)
  }

  failing(report: FailingReport): void {
    this.failures.push(report)
    this.order.push('failing')
  }

  dropped(frames: number, reason: DropReason): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + frames)
  }

  stats(stats: TranscodeStats): void {
    this.allStats.push(stats)
  }

  of(rendition: string): readonly OutputSample[] {
    return this.samples.get(rendition) ?? []
  }

  /** Presentation times, sorted. */
  pts(rendition: string): number[] {
    return this.of(rendition)
      .map(({ sample }) => sample.dtsTicks + sample.compositionTicks)
      .sort((a, b) => a - b)
  }

  keyPts(rendition: string): number[] {
    return this.of(rendition)
      .filter(({ sample }) => sample.independent)
      .map(({ sample }) => sample.dtsTicks + sample.compositionTicks)
      .sort((a, b) => a - b)
  }
}

const smallLadder: Ladder = parseLadder(
  {
    name: 'small',
    preset: 'veryfast',
    rungs: [
      { width: 320, height: 180, bitrateKbps: 300 },
      { width: 192, height: 108, bitrateKbps: 120 },
    ],
  },
  'test',
)

export function createTranscoder(
  sink: TranscodeSink,
  options: Partial<LadderTranscoderOptions> = {},
): LadderTranscoder {
  const all = {
    ...defaultTranscoderTimes,
    ladder: smallLadder,
    ffmpegPath: 'ffmpeg',
    segmentGridSeconds: 2,
    lagBudgetMs: 20_000,
    ...options,
  }
  return new LadderTranscoder(all, { clock: systemClock, logger: silentLogger }, sink)
}

/** Writes a source at `speed` times its own pace (`Infinity`: as fast as the transcoder takes it). */
export async function play(
  transcoder: LadderTranscoder,
  source: Source,
  options: { readonly speed: number; readonly before?: (item: SourceItem) => void } = {
    speed: Number.POSITIVE_INFINITY,
  },
): Promise<void> {
  for (const config of source.configs) transcoder.configure(config)
  const startMs = performance.now()
  const firstMs = source.items[0]?.atMs ?? 0
  for (const item of source.items) {
    const dueMs = startMs + (item.atMs - firstMs) / options.speed
    if (dueMs > performance.now() + 2) await systemClock.sleep(dueMs - performance.now())
    options.before?.(item)
    await transcoder.write(item.kind, item.sample)
  }
}

export function ptsOf(source: Source, kind: 'video' | 'audio'): number[] {
  return source.items
    .filter((item) => item.kind === kind)
    .map(({ sample }) => sample.dtsTicks + sample.compositionTicks)
    .sort((a, b) => a - b)
}

/** Processes whose parent is this one, as `/proc` has them: state letter and name. */
export function childProcesses(pids: readonly number[]): string[] {
  return pids.flatMap((pid) => {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
      return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]) === process.pid ? [text.slice(0, 40)] : []
    } catch {
      return []
    }
  })
}
