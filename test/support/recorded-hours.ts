import { createHash, type Hash } from 'node:crypto'
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { ColdReader } from '../../src/archive/cold-reader.ts'
import { placeInSpan } from '../../src/archive/span-place.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { openAssetStorage } from '../../src/roles/asset-place.ts'
import { publishRequest } from '../unit/roles/live-bench.ts'
import { run } from './ffmpeg.ts'
import { LiveNode } from './live-node.ts'
import { encodeAudio, encodeVideo, type Media } from './recording.ts'

const LOOP_SECONDS = 10
const STEP_MS = 100
/** Media time after which the disk, which knows no virtual time, is waited for. */
const DISK_MS = 20_000

/** What came of it. */
export type RecordedHours = {
  readonly segments: number
  readonly gaps: number
  /** Segments of a rendition that differ from what was served live, or are not to be had. */
  readonly wrong: readonly string[]
  readonly sentFrames: { readonly video: number; readonly audio: number }
  /** What ffmpeg decodes of init and spans joined. */
  readonly decoded: Readonly<Record<string, { readonly frames: number; readonly complaints: string }>>
  readonly bytes: number
}

/** Coded media of ten seconds again and again, from the access units of an encoder to the archive, on virtual time. */
export async function recordHours(ms: number): Promise<RecordedHours> {
  const clock = new VirtualClock(1_763_702_400_000)
  const node = await LiveNode.start({ clock })
  try {
    const channel = await node.channel({ output: { segmentDuration: 'PT2S' } })
    const live = await node.run(channel)
    const program = await node.program(channel, { rewindWindow: 'PT1M' })
    await live.startProgram(program)
    const { log, recording } = node.shelf.find(program.assetId)!
    const served = new Map<string, Hash>()
    log.subscribe({
      appended(_position, record, fragment) {
        if (record.type !== 'fragment' || !fragment) return
        const key = `${record.track}/${record.sequence}`
        const hash = served.get(key) ?? createHash('sha256')
        served.set(key, hash.update(fragment))
      },
      stopped: () => undefined,
    })
    const handle = { id: 's', remoteAddress: '192.0.2.1', end: async () => undefined }
    const admission = await live.admit(publishRequest(channel.streamKeys.primary), 'primary', handle)
    if (!admission.accepted) throw new Error(admission.description)
    const { sink } = admission
    const media = { video: encodeVideo(LOOP_SECONDS), audio: encodeAudio(LOOP_SECONDS) }
    const players = (['video', 'audio'] as const).map((kind) => new Player(kind, media[kind]))
    for (const {
      kind,
      media: { config },
    } of players)
      if (config.kind === kind) void sink.push({ type: 'config', trackId: 0, config })
    for (let at = 0; at < ms; at += STEP_MS) {
      await clock.advance(STEP_MS)
      for (const player of players) for (const frame of player.until(at + STEP_MS)) void sink.push(frame)
      if (at % DISK_MS === 0) await recording?.committed()
    }
    const stopping = live.stopProgram(program.id)
    sink.end('unpublished')
    for (let at = 0; at < 10_000; at += STEP_MS) await clock.advance(STEP_MS)
    await stopping
    const archived = recording?.archived
    await recording?.committed()
    await clock.advance(10_000)
    await archived
    await live.stop()
    const [video, audio] = players
    return { sentFrames: { video: video!.sent, audio: audio!.sent }, ...(await archive(node, program.assetId, served)) }
  } finally {
    await node.stop()
  }
}

/** One kind of media, again and again. */
class Player {
  readonly kind: 'video' | 'audio'
  readonly media: Media
  readonly #timescale: number
  sent = 0

  constructor(kind: 'video' | 'audio', media: Media) {
    this.kind = kind
    this.media = media
    this.#timescale = media.config.kind === 'audio' ? media.config.sampleRate : 90_000
  }

  *until(endMs: number) {
    const { kind, media } = this
    const { samples } = media
    // The last sound of an encoding may be cut short; here another one follows.
    const sampleTicks = samples[0]!.durationTicks
    for (;;) {
      const sample = samples[this.sent % samples.length]!
      const ticks = samples[0]!.dtsTicks + this.sent * sampleTicks
      const dtsMs = Math.round((ticks / this.#timescale) * 1_000) + 200
      if (dtsMs >= endMs) return
      this.sent++
      const compositionMs = Math.round((sample.compositionTicks / this.#timescale) * 1_000)
      const { data, independent } = sample
      yield { type: 'frame', kind, trackId: 0, dtsMs, compositionMs, independent, data } as const
    }
  }
}

/** Reads everything back from storage, as a node does that knows nothing of it. */
async function archive(node: LiveNode, assetId: string, served: ReadonlyMap<string, Hash>) {
  const stored = await node.archive.load(assetId)
  if (!stored) throw new Error('nothing is in storage')
  const { log, place } = stored
  const { view } = log
  const storage = () => openAssetStorage(node.media, place)
  const reader = new ColdReader({ storage, spooled: async () => undefined }, 0)
  const { signal } = new AbortController()
  const folder = mkdtempSync(join(tmpdir(), 'headend-hours-'))
  const wrong: string[] = []
  const decoded: Record<string, { frames: number; complaints: string }> = {}
  let gaps = 0
  let bytes = 0
  for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++)
    if (view.segment(sequence)?.gap) gaps++
  for (const { index, name, tracks } of view.renditions) {
    const path = join(folder, `${name}.mp4`)
    const file = createWriteStream(path)
    file.write(tracks[0]?.init)
    for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
      const cell = view.renditionSegment(index, sequence)
      if (!cell) continue
      const pieces = placeInSpan(view, index, sequence)
        ? await reader.read({ view, place }, index, sequence, signal)
        : undefined
      const hash = createHash('sha256')
      for (const piece of pieces ?? []) hash.update(piece)
      if (hash.digest('hex') !== served.get(`${cell.track}/${sequence}`)?.digest('hex'))
        wrong.push(`${name}/${sequence}`)
      for (const piece of pieces ?? []) {
        bytes += piece.byteLength
        if (!file.write(piece)) await new Promise((resolve) => file.once('drain', resolve))
      }
    }
    file.end()
    await finished(file)
    decoded[name] = await decode(path)
  }
  rmSync(folder, { recursive: true })
  log.stop()
  return { segments: view.endSequence - view.firstSequence, gaps, wrong, decoded, bytes }
}

async function decode(path: string): Promise<{ frames: number; complaints: string }> {
  const args = ['-v', 'warning', '-count_frames', '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0', path]
  const { stdout, stderr } = await run('ffprobe', args)
  return { frames: Number(String(stdout).trim().split(/[\s,]/)[0]), complaints: stderr }
}
