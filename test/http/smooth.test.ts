import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { frames } from '../support/progressive-opinion.ts'
import { encodeAudio, encodeVideo, type Media, Recording, type RecordingOptions } from '../support/recording.ts'
import {
  fileOf,
  fragmentUrl,
  type ReadManifest,
  type ReadStream,
  readSmoothManifest,
  serveRecording,
} from '../support/smooth-client.ts'
import { type ReadFragment, readSmoothFragment } from '../support/smooth-fragment.ts'
import { rawRequest } from './raw-request.ts'

const START_SECONDS = 1_795_000_000
const TICKS = 10_000_000n
const video = encodeVideo(6, '320x180')
const audio = encodeAudio(6)
const STRETCHES = [
  { rendition: 'video-1', media: video, atSeconds: 0 },
  { rendition: 'audio-1', media: audio, atSeconds: 0 },
]

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

function recorded(options: RecordingOptions = {}, stretches = STRETCHES): Recording {
  return new Recording(stretches, { startSeconds: START_SECONDS, segmentSeconds: 1, fragmentSamples: 7, ...options })
}

async function serve(recording: Recording) {
  const { server, ...served } = await serveRecording(recording)
  undo.push(() => server.stop())
  return served
}

const get = (url: string, headers: Record<string, string> = {}) => rawRequest(url, { headers })
const problem = (body: Buffer) => JSON.parse(body.toString()) as { type: string; detail: string }

async function read(url: string): Promise<ReadManifest> {
  const { status, body } = await get(url)
  expect(`${status} ${status === 200 ? '' : body}`).toBe('200 ')
  return readSmoothManifest(body.toString())
}

async function fetchAll(url: string, stream: ReadStream, level = stream.levels[0]!) {
  const fragments: (readonly [Buffer, ReadFragment])[] = []
  for (const { time, duration } of stream.chunks) {
    const { status, body } = await get(fragmentUrl(url, stream, level, time))
    expect(status).toBe(200)
    const fragment = readSmoothFragment(body)
    expect(fragment).toMatchObject({ time, duration })
    fragments.push([body, fragment])
  }
  return fragments
}

/** How far a time of Smooth is from one of the source, in seconds. */
function distance(time: bigint, ticks: number, timescale: number): number {
  const exact = (BigInt(ticks) * TICKS * 1_000n) / BigInt(timescale)
  return Math.abs(Number(time * 1_000n - exact)) / Number(TICKS * 1_000n)
}

function expectSamples(fragments: readonly (readonly [Buffer, ReadFragment])[], media: Media, timescale: number): void {
  const samples = fragments.flatMap(([, fragment]) => fragment.samples)
  expect(samples.length).toBe(media.samples.length)
  for (const [at, sample] of samples.entries()) {
    const source = media.samples[at]!
    expect(sample.data.equals(source.data)).toBe(true)
    expect(sample.sync).toBe(source.independent)
    const ptsTicks = START_SECONDS * timescale + source.dtsTicks + source.compositionTicks
    expect(distance(sample.pts, ptsTicks, timescale)).toBeLessThan(1e-6)
  }
}

describe('an on-demand presentation', () => {
  it('is all there, sample by sample and decoded, each at its time', async () => {
    const recording = recorded()
    recording.presentation.apply({ type: 'ended' })
    const { url, requests } = await serve(recording)
    const manifest = await read(url)
    expect(manifest.attributes).toMatchObject({ MajorVersion: '2', MinorVersion: '2', TimeScale: '10000000' })
    expect(manifest.attributes).not.toHaveProperty('IsLive')
    expect(manifest.attributes).not.toHaveProperty('DVRWindowLength')
    const [pictures, sound] = manifest.streams
    expect(pictures?.attributes).toMatchObject({ Type: 'video', Name: 'video', Chunks: '6', QualityLevels: '1' })
    expect(sound?.attributes).toMatchObject({ Type: 'audio', Name: 'audio', QualityLevels: '1' })
    expect(sound?.attributes).not.toHaveProperty('MaxWidth')
    const folder = mkdtempSync(join(tmpdir(), 'smooth-'))
    undo.push(() => rmSync(folder, { recursive: true }))
    for (const [stream, media, timescale, index] of [
      [pictures!, video, 90_000, 0],
      [sound!, audio, 48_000, 1],
    ] as const) {
      const fragments = await fetchAll(url, stream)
      expectSamples(fragments, media, timescale)
      for (const [at, [, { samples, time, duration, sequenceNumber }]] of fragments.entries()) {
        expect(samples.reduce((sum, sample) => sum + BigInt(sample.duration), 0n)).toBe(duration)
        // Whoever counts in doubles holds these exactly, beyond 2^53 too.
        expect([time % 8n, duration % 8n]).toEqual([0n, 0n])
        expect(BigInt(Number(time))).toBe(time)
        expect(sequenceNumber).toBe(at)
      }
      // Decoded, it is what the stored form gives.
      const [ours, stored] = ['ours.mp4', 'stored.mp4'].map((name) => join(folder, name)) as [string, string]
      writeFileSync(ours, fileOf(stream.levels[0]!, fragments))
      writeFileSync(stored, recording.joined(index + 1))
      const kind = index === 0 ? 'v' : 'a'
      const [mine, expected] = [frames(ours, kind), frames(stored, kind)]
      expect(mine.length).toBeGreaterThan(140)
      expect(mine.map(({ sum }) => sum)).toEqual(expected.map(({ sum }) => sum))
      // ffmpeg shifts all of a track that has negative offsets; from frame to frame its times are ours.
      const drift = mine.map(({ time }, at) => time - mine[0]!.time - (expected[at]!.time - expected[0]!.time))
      expect(Math.max(...drift.map(Math.abs))).toBeLessThan(1e-5)
    }
    const ends = manifest.streams.map(({ chunks }) => chunks.at(-1)!.time + chunks.at(-1)!.duration)
    const starts = manifest.streams.map(({ chunks }) => chunks[0]!.time)
    const start = starts.reduce((a, b) => (a < b ? a : b))
    expect(manifest.attributes['Duration']).toBe(String(ends.reduce((a, b) => (a > b ? a : b)) - start))
    expect(start).toBe(BigInt(START_SECONDS) * TICKS)
    expect(new Set(requests.map(({ kind, status }) => `${kind} ${status}`))).toEqual(
      new Set(['smooth-manifest 200', 'smooth-fragment 200']),
    )
  })

  it('is the default of the grammar, under every spelling of it, and of sound alone', async () => {
    const recording = recorded()
    recording.presentation.apply({ type: 'ended' })
    const { base, url } = await serve(recording)
    const { body, headers } = await get(url)
    expect(headers).toMatchObject({ 'content-type': 'text/xml', 'cache-control': expect.stringContaining('max-age') })
    for (const path of [
      'Manifest',
      'manifest()',
      'manifest(format=fmp4-v20)',
      'MANIFEST(format=FMP4-V20, audio-only=false)',
    ]) {
      const same = await get(`${base}/${path}`.replaceAll(' ', '%20'))
      expect(same.body.equals(body)).toBe(true)
    }
    expect((await get(url, { 'If-None-Match': String(headers['etag']) })).status).toBe(304)
    const sound = await read(`${base}/manifest(audio-only=true)`)
    expect(sound.streams.map(({ attributes }) => attributes['Type'])).toEqual(['audio'])
  })

  it('gives a fragment a validator, ranges, and its moof alone', async () => {
    const recording = recorded()
    recording.presentation.apply({ type: 'ended' })
    const { url } = await serve(recording)
    const [stream] = (await read(url)).streams
    const address = fragmentUrl(url, stream!, stream!.levels[0]!, stream!.chunks[2]!.time)
    const { body, headers } = await get(address)
    expect(headers).toMatchObject({ 'content-type': 'video/mp4', 'cache-control': 'public, max-age=60' })
    expect((await get(address, { 'If-None-Match': String(headers['etag']) })).status).toBe(304)
    const part = await get(address, { Range: 'bytes=10-99' })
    expect([part.status, part.body.equals(body.subarray(10, 100))]).toEqual([206, true])
    const info = await get(address.replace('Fragments(', 'FragmentInfo('))
    expect(info.status).toBe(200)
    expect(info.body.equals(body.subarray(0, body.readUInt32BE(0)))).toBe(true)
    expect(info.headers['etag']).not.toBe(headers['etag'])
  })
})

describe('a live presentation', () => {
  it('lists what has two fragments behind it, and each tells of those', async () => {
    const recording = recorded()
    const { url } = await serve(recording)
    const { attributes, streams } = await read(url)
    expect(attributes).toMatchObject({ IsLive: 'TRUE', Duration: '0', LookAheadFragmentCount: '2' })
    const [stream] = streams
    expect(stream!.chunks.length).toBe(4)
    const fragments = await fetchAll(url, stream!)
    for (const [at, [, { next }]] of fragments.entries()) {
      expect(next.length).toBe(2)
      const listed = stream!.chunks.slice(at + 1, at + 3)
      expect(next.slice(0, listed.length)).toEqual(listed)
    }
    const [, newest] = fragments.at(-1)!
    for (const { time } of newest.next) {
      const early = await get(fragmentUrl(url, stream!, stream!.levels[0]!, time))
      expect([early.status, problem(early.body).type]).toEqual([412, 'urn:headend:problem:segment-not-yet'])
    }
    recording.presentation.apply({ type: 'ended' })
    const ended = await read(url)
    expect(ended.attributes).not.toHaveProperty('IsLive')
    const [after] = ended.streams
    // The timeline and all that was served stay what they were.
    expect(after!.chunks.slice(0, 4)).toEqual(stream!.chunks)
    const again = await fetchAll(url, after!)
    expect(fragments.every(([bytes], at) => again[at]![0].equals(bytes))).toBe(true)
    expect(again.map(([, { next }]) => next.length)).toEqual([2, 2, 2, 2, 1, 0])
    expect(again.at(-1)![1].boxes).not.toContain('tfrf')
  })

  it('has not begun before there are three segments', async () => {
    const short = recorded({ segmentSeconds: 3 })
    const { url } = await serve(short)
    const early = await get(url)
    expect([early.status, problem(early.body).type]).toEqual([412, 'urn:headend:problem:segment-not-yet'])
  })

  it('says whether an absent fragment is unknown, gone or to come', async () => {
    const recording = recorded()
    const { base, url } = await serve(recording)
    const [stream] = (await read(url)).streams
    const { time, duration } = stream!.chunks[1]!
    const status = async (path: string) => (await get(`${base}/QualityLevels(${path})`)).status
    const at = (offset: bigint) => status(`700001)/Fragments(video=${time + offset}`)
    expect(await at(0n)).toBe(200)
    // What a double's shortest text says of the same number.
    expect(await at(1n)).toBe(200)
    expect(await at(8n)).toBe(404)
    expect(await at(100n)).toBe(404)
    expect(await at(duration * 100n)).toBe(412)
    expect(await status(`700001)/Fragments(audio=${time}`)).toBe(404)
    expect(await status(`1)/Fragments(video=${time}`)).toBe(404)
    expect(await status(`700001)/Fragments(VIDEO-1=${time}`)).toBe(200)
    expect(await status(`700001)/Fragments(video=${time},format=fmp4-v20`)).toBe(200)
    expect(await status('700001)/Fragments(video=i')).toBe(400)
    expect(await status('700001)/Fragments(video=99999999999999999999')).toBe(400)
    expect(await status('700001)/Fragments(video=9999999999999999999')).toBe(412)
    recording.presentation.apply({ type: 'evicted', firstSequence: 3 })
    expect(await at(0n)).toBe(410)
  })

  it('answers for broken media without a crash', async () => {
    const recording = recorded()
    const { url } = await serve(recording)
    const [stream] = (await read(url)).streams
    const bytes = recording.bytes.get('0/1')!
    recording.bytes.set('0/1', bytes.subarray(0, 200))
    const { status, body } = await get(fragmentUrl(url, stream!, stream!.levels[0]!, stream!.chunks[1]!.time))
    expect(status).toBe(400)
    expect(problem(body).type).toBe('urn:headend:problem:format-invalid')
  })
})
