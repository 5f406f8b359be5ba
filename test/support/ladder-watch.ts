import { createFile, MP4BoxBuffer } from 'mp4box'
import { fetchBytes, fetchMaster, fetchMedia, type ListedSegment, type MediaPlaylist } from './playlist.ts'

/** Times of one segment as mp4box.js reads them out of the media itself, in ticks. */
type MediaTimes = {
  readonly timescale: number
  readonly startTicks: number
  readonly endTicks: number
  readonly longestFrameTicks: number
}

/** What was seen of one rendition. */
export type WatchedRendition = {
  readonly kind: 'video' | 'audio'
  readonly url: string
  readonly targetDurations: Set<number>
  /** The first sequence number of each look. */
  readonly mediaSequences: number[]
  /** Every segment ever listed, by sequence number, as it was listed first. */
  readonly segments: Map<number, ListedSegment>
  readonly bytes: Map<number, Uint8Array>
  /** Where two looks or two downloads differed. */
  readonly faults: string[]
}

const LOOK_MS = 500

/** Polls every media playlist of a presentation for so long, and downloads each segment twice: when it is first seen, and at the end. */
export async function watchLadder(hlsUrl: string, durationMs: number): Promise<WatchedRendition[]> {
  const master = await fetchMaster(hlsUrl)
  const made = (kind: 'video' | 'audio') => (url: string) => ({
    kind,
    url,
    targetDurations: new Set<number>(),
    mediaSequences: [],
    segments: new Map<number, ListedSegment>(),
    bytes: new Map<number, Uint8Array>(),
    faults: [],
  })
  const renditions: WatchedRendition[] = [
    ...master.variants.map(({ url }) => url).map(made('video')),
    ...master.audio.map(made('audio')),
  ]
  const endMs = performance.now() + durationMs
  while (performance.now() < endMs) {
    await Promise.all(renditions.map(look))
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  await Promise.all(renditions.map(downloadAgain))
  return renditions
}

async function look(rendition: WatchedRendition): Promise<void> {
  const playlist: MediaPlaylist = await fetchMedia(rendition.url)
  rendition.targetDurations.add(playlist.targetDuration)
  rendition.mediaSequences.push(playlist.mediaSequence)
  for (const segment of playlist.segments) {
    const { sequence } = segment
    const before = rendition.segments.get(sequence)
    if (!before) {
      rendition.segments.set(sequence, segment)
      if (!segment.gap) rendition.bytes.set(sequence, await fetchBytes(segment.url))
    } else if (JSON.stringify(before) !== JSON.stringify(segment)) {
      rendition.faults.push(
        `segment ${sequence} was listed as ${JSON.stringify(before)}, then ${JSON.stringify(segment)}`,
      )
    }
  }
}

async function downloadAgain(rendition: WatchedRendition): Promise<void> {
  for (const [sequence, bytes] of rendition.bytes) {
    const again = await fetchBytes(rendition.segments.get(sequence)?.url ?? '')
    if (Buffer.compare(again, bytes) !== 0) rendition.faults.push(`segment ${sequence} has other bytes now`)
  }
}

function mediaTimes(init: Uint8Array, segment: Uint8Array): MediaTimes {
  const file = createFile()
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(new Uint8Array(init).buffer, 0))
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(new Uint8Array(segment).buffer, init.byteLength))
  file.flush()
  const samples = file.getTrackSamplesInfo(file.getInfo().tracks[0]?.id ?? 0)
  return {
    timescale: samples[0]?.timescale ?? 0,
    startTicks: Math.min(...samples.map(({ cts }) => cts)),
    endTicks: Math.max(...samples.map(({ cts, duration }) => cts + duration)),
    longestFrameTicks: Math.max(...samples.map(({ duration }) => duration)),
  }
}

/** Everything that is wrong with what was watched; empty where all renditions are cut alike and tell the truth about it. */
export async function ladderFaults(renditions: readonly WatchedRendition[]): Promise<string[]> {
  const faults: string[] = []
  const starts = new Map<number, { readonly ticks: number; readonly timescale: number }>()
  for (const rendition of renditions) {
    const { kind, url } = rendition
    const name = url.split('/').at(-1)
    faults.push(...rendition.faults.map((fault) => `${name}: ${fault}`))
    if (rendition.targetDurations.size !== 1) faults.push(`${name}: target durations ${[...rendition.targetDurations]}`)
    const { mediaSequences } = rendition
    if (mediaSequences.some((sequence, i) => sequence < (mediaSequences[i - 1] ?? 0))) {
      faults.push(`${name}: media sequence ${mediaSequences}`)
    }
    const inits = new Map<string, Uint8Array>()
    let run: { readonly startTicks: number; readonly endTicks: number; listedSeconds: number } | undefined
    for (const [sequence, bytes] of rendition.bytes) {
      const segment = rendition.segments.get(sequence)
      const initUrl = segment?.initUrl ?? ''
      const init = inits.get(initUrl) ?? (await fetchBytes(initUrl))
      inits.set(initUrl, init)
      const times = mediaTimes(init, bytes)
      const { timescale, startTicks, endTicks, longestFrameTicks } = times
      const frameSeconds = longestFrameTicks / timescale
      if (run && startTicks !== run.endTicks) {
        faults.push(`${name}: segment ${sequence} starts at ${startTicks}, the one before ends at ${run.endTicks}`)
      }
      const listedSeconds: number = (run?.listedSeconds ?? 0) + (segment?.duration ?? 0)
      run = { startTicks: run?.startTicks ?? startTicks, endTicks, listedSeconds }
      const seconds = (endTicks - run.startTicks) / timescale
      if (Math.abs(listedSeconds - seconds) > frameSeconds) {
        faults.push(`${name}: ${listedSeconds} s listed up to segment ${sequence}, ${seconds} s of media`)
      }
      if (Math.round(segment?.duration ?? 0) > Math.max(...rendition.targetDurations)) {
        faults.push(`${name}: segment ${sequence} is longer than the target duration`)
      }
      const first = starts.get(sequence) ?? { ticks: startTicks, timescale }
      starts.set(sequence, first)
      const apartSeconds = Math.abs(startTicks / timescale - first.ticks / first.timescale)
      const isAlike = kind === 'video' ? startTicks === first.ticks : apartSeconds <= frameSeconds
      if (!isAlike)
        faults.push(`${name}: segment ${sequence} is cut ${apartSeconds} s apart from the first rendition's`)
    }
  }
  return faults
}
