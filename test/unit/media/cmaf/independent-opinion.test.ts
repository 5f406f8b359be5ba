import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createFile, type ISOFile, MP4BoxBuffer } from 'mp4box'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { concatBytes } from '../../../../src/lib/bytes.ts'
import { buildFragment, type FragmentSample } from '../../../../src/media/cmaf/fragment.ts'
import { buildInitSegment } from '../../../../src/media/cmaf/init-segment.ts'
import { FragmentedMp4Reader, type ReadTrack } from '../../../../src/media/isobmff/fragmented-reader.ts'

/** What ffmpeg, ffprobe, mp4box.js and shaka-packager make of our files; none of them was written here. */

const directory = mkdtempSync(join(tmpdir(), 'cmaf-opinion-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const PACKAGER = resolve('node_modules/shaka-packager/bin/packager-linux-x64')
const EPOCH_SECONDS = 1_760_000_000
const FRAGMENT_OUTPUT = [
  ...['-movflags', '+frag_every_frame+delay_moov+default_base_moof+frag_discont+skip_sidx', '-use_editlist', '0'],
  ...['-avoid_negative_ts', 'disabled', '-video_track_timescale', '90000', '-output_ts_offset', '10', '-f', 'mp4'],
]
const PICTURE = ['-f', 'lavfi', '-i', 'testsrc2=s=128x96:r=25:d=1']
const TONE = ['-f', 'lavfi', '-i', 'sine=f=440:r=48000:d=0.6']
const STEREO_TONE = [...TONE, '-ac', '2']

type Case = {
  readonly name: string
  readonly args: readonly string[]
  readonly codecString: RegExp
  readonly entry: string
}

/** shaka-packager says so of every file with B-frames and no edit list, which is what live output is. */
const ownAdjustment = /composition offset \d+. An EditList is probably missing|Adjusting timestamps by/

const cases: readonly Case[] = [
  {
    name: 'H.264 with B-frames',
    args: [...PICTURE, '-c:v', 'libx264', '-preset', 'fast', '-bf', '2', '-g', '12', '-pix_fmt', 'yuv420p'],
    codecString: /^avc1\.64000a$/,
    entry: 'avc1',
  },
  {
    name: 'HEVC with B-frames',
    args: [...PICTURE, '-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:bframes=2:keyint=12'],
    codecString: /^hvc1\.1\.6\.L30\.90$/,
    entry: 'hvc1',
  },
  {
    name: 'AV1',
    args: [...PICTURE, '-c:v', 'libaom-av1', '-cpu-used', '8', '-usage', 'realtime', '-g', '12'],
    codecString: /^av01\.0\.00M\.08/,
    entry: 'av01',
  },
  {
    name: 'VP9',
    args: [
      ...PICTURE,
      '-c:v',
      'libvpx-vp9',
      '-deadline',
      'realtime',
      '-cpu-used',
      '8',
      '-g',
      '12',
      '-pix_fmt',
      'yuv420p',
    ],
    codecString: /^vp09\.00\.10\.08/,
    entry: 'vp09',
  },
  { name: 'AAC', args: [...STEREO_TONE, '-c:a', 'aac'], codecString: /^mp4a\.40\.2$/, entry: 'mp4a' },
  { name: 'MP3', args: [...STEREO_TONE, '-c:a', 'libmp3lame'], codecString: /^mp4a\.6B$/, entry: 'mp4a' },
  {
    name: 'MP3 at 24 kHz',
    args: [...TONE, '-ar', '24000', '-c:a', 'libmp3lame'],
    codecString: /^mp4a\.6B$/,
    entry: 'mp4a',
  },
  { name: 'Opus', args: [...STEREO_TONE, '-c:a', 'libopus'], codecString: /^opus$/, entry: 'Opus' },
  { name: 'FLAC', args: [...STEREO_TONE, '-c:a', 'flac', '-strict', '-2'], codecString: /^fLaC$/, entry: 'fLaC' },
  {
    name: 'FLAC at 96 kHz',
    args: [...STEREO_TONE, '-ar', '96000', '-c:a', 'flac', '-strict', '-2'],
    codecString: /^fLaC$/,
    entry: 'fLaC',
  },
  { name: 'AC-3', args: [...TONE, '-ac', '6', '-c:a', 'ac3'], codecString: /^ac-3$/, entry: 'ac-3' },
  { name: 'E-AC-3', args: [...TONE, '-ac', '6', '-c:a', 'eac3'], codecString: /^ec-3$/, entry: 'ec-3' },
]

type Source = {
  readonly original: string
  readonly packets: readonly Packet[]
  readonly track: ReadTrack
  readonly samples: readonly (FragmentSample & { readonly dtsTicks: number })[]
}

const made = new Map<string, Source>()

/** Makes the sample by ffmpeg and reads it with our reader. */
function make(name: string, args: readonly string[]): Source {
  const original = join(directory, `${name.replaceAll(/\W+/g, '-')}.mp4`)
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, ...FRAGMENT_OUTPUT, original])
  const tracks: ReadTrack[] = []
  const samples: (FragmentSample & { dtsTicks: number })[] = []
  for (const event of new FragmentedMp4Reader().push(readFileSync(original))) {
    if (event.type === 'init') tracks.push(...event.tracks)
    else samples.push({ ...event.sample, durationTicks: event.durationTicks })
  }
  expect(tracks).toHaveLength(1)
  const source = { original, packets: probe(original), track: tracks[0]!, samples }
  made.set(name, source)
  return source
}

/** Writes what was read with our writers, `fragmentSamples` to a fragment, far from time 0. */
function rewrite({ original, track, samples }: Source, shiftTicks: number, compositionTicks = 0): string {
  const parts = [buildInitSegment([{ trackId: 1, config: track.config, language: 'en' }])]
  const fragmentSamples = 6
  for (let i = 0; i < samples.length; i += fragmentSamples) {
    const { bytes } = buildFragment({
      trackId: 1,
      sequenceNumber: i / fragmentSamples,
      baseDecodeTicks: samples[i]!.dtsTicks + shiftTicks,
      kind: track.config.kind,
      samples: samples
        .slice(i, i + fragmentSamples)
        .map((sample) => ({ ...sample, compositionTicks: sample.compositionTicks + compositionTicks })),
      opensSegment: i % (2 * fragmentSamples) === 0,
      ...(i === 0 ? { producerReference: { ntpWallMs: EPOCH_SECONDS * 1000 } } : {}),
    })
    parts.push(bytes)
  }
  const path = original.replace('.mp4', `${compositionTicks}.cmf.mp4`)
  writeFileSync(path, concatBytes(parts))
  return path
}

type Packet = {
  readonly pts: number
  readonly dts: number
  readonly duration: number
  readonly size: string
  readonly flags: string
}

/** The packets as ffprobe reads them; anything that it warns about fails the test. */
function probe(path: string): Packet[] {
  const fields = 'packet=pts,dts,duration,size,flags'
  const run = spawnSync('ffprobe', ['-v', 'warning', '-show_entries', fields, '-of', 'json', path], {
    encoding: 'utf8',
  })
  expect(run.stderr).toBe('')
  expect(run.status).toBe(0)
  return (JSON.parse(run.stdout) as { packets: Packet[] }).packets
}

/** The checksum of every decoded frame, in presentation order. */
function frameSums(path: string): string[] {
  const args = ['-v', 'warning', '-i', path, '-fps_mode', 'passthrough', '-f', 'framemd5', '-']
  const run = spawnSync('ffmpeg', args, { encoding: 'utf8' })
  expect(run.stderr).toBe('')
  const lines = run.stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return lines.map((line) => line.split(',').at(-1)?.trim() ?? '')
}

function mp4boxReading(path: string): { readonly codec: string; readonly language: string; readonly samples: number } {
  const errors: string[] = []
  const log = vi.spyOn(console, 'error').mockImplementation((...words: unknown[]) => {
    // mp4box.js 2.4 counts the metadata blocks of any `dfLa` twice.
    if (!words.join(' ').includes("Parsing of box 'dfLa' read")) errors.push(words.join(' '))
  })
  const file: ISOFile = createFile()
  file.onError = (module: string, message: string) => errors.push(`${module}: ${message}`)
  const bytes = new Uint8Array(readFileSync(path))
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(bytes.buffer, 0), true)
  file.flush()
  log.mockRestore()
  expect(errors).toEqual([])
  const track = file.getInfo().tracks[0]!
  return { codec: track.codec, language: track.language, samples: track.nb_samples }
}

describe.each(cases)('$name', ({ name, args, codecString, entry }) => {
  const source = make(name, args)
  const { track, samples, packets } = source
  const shiftTicks = EPOCH_SECONDS * track.timescale
  const rewritten = rewrite(source, shiftTicks)

  it('is read: configuration, sizes, times', () => {
    expect(track.config.codecString).toMatch(codecString)
    expect(samples.length).toBe(packets.length)
    expect(samples.map((sample) => sample.data.byteLength)).toEqual(packets.map((packet) => Number(packet.size)))
    expect(samples.map((sample) => sample.dtsTicks)).toEqual(packets.map((packet) => packet.dts))
    expect(samples.map((sample) => sample.dtsTicks + sample.compositionTicks)).toEqual(
      packets.map((packet) => packet.pts),
    )
    expect(samples.map((sample) => sample.independent)).toEqual(packets.map((packet) => packet.flags.startsWith('K')))
    const seconds = samples.reduce((sum, sample) => sum + sample.durationTicks, 0) / track.timescale
    expect(seconds).toBeGreaterThan(0.55)
    const { config } = track
    if (config.kind === 'video') expect([config.width, config.height]).toEqual([128, 96])
    else expect(config.sampleRate).toBe(track.timescale)
  })

  it('is written: ffprobe sees the same packets at epoch times, without a warning', () => {
    const moved = packets.map((packet) => ({
      ...packet,
      pts: packet.pts + shiftTicks,
      dts: packet.dts + shiftTicks,
    }))
    expect(probe(rewritten)).toEqual(moved)
  })

  it('is written: ffmpeg decodes the same frames', () => {
    const sums = frameSums(rewritten)
    expect(sums.length).toBeGreaterThan(5)
    expect(sums).toEqual(frameSums(source.original))
  })

  it('is accepted by mp4box.js', () => {
    const reading = mp4boxReading(rewritten)
    expect(reading.samples).toBe(samples.length)
    expect(reading.codec.split('.')[0]).toBe(entry)
    expect(reading.language).toBe('eng')
  })

  // shaka-packager knows no MP3 in MP4.
  if (track.config.codec === 'mp3') return
  it('is accepted by shaka-packager', () => {
    const output = rewritten.replace('.cmf.', '.shaka.')
    const kind = track.config.kind
    const run = spawnSync(PACKAGER, [`in=${rewritten},stream=${kind},output=${output}`, '--quiet'], {
      encoding: 'utf8',
    })
    expect(run.stderr.split('\n').filter((line) => !ownAdjustment.test(line))).toEqual([''])
    expect(run.status).toBe(0)
    expect(probe(output)).toHaveLength(samples.length)
  })
})

describe('negative composition offsets', () => {
  const source = made.get('H.264 with B-frames')!
  const most = Math.max(...source.samples.map((sample) => sample.compositionTicks))
  const rewritten = rewrite(source, EPOCH_SECONDS * 90_000, -most)

  it('are written as version 1 and read back in presentation order', () => {
    expect(most).toBeGreaterThan(0)
    const bytes = readFileSync(rewritten)
    const trun = bytes.indexOf('trun')
    expect(bytes[trun + 4]).toBe(1)
    expect(bytes.subarray(bytes.indexOf('styp'), bytes.indexOf('styp') + 24).includes('cmf2')).toBe(true)
    const read: number[] = []
    for (const event of new FragmentedMp4Reader().push(bytes)) {
      if (event.type === 'sample') read.push(event.sample.compositionTicks)
    }
    expect(read).toEqual(source.samples.map((sample) => sample.compositionTicks - most))
    // ffmpeg 5.1 moves DTS and PTS by the largest negative offset: order and distances are what it can be asked.
    const pts = probe(rewritten).map((packet) => packet.pts)
    const expected = source.packets.map((packet) => packet.pts)
    expect(pts.map((time) => time - pts[0]!)).toEqual(expected.map((time) => time - expected[0]!))
    expect(frameSums(rewritten)).toEqual(frameSums(source.original))
  })
})

describe('video and audio in one pipe', () => {
  it('are read by ffprobe as they went in, one fragment to a sample, at epoch times', () => {
    const video = made.get('H.264 with B-frames')!
    const audio = made.get('AAC')!
    const sources = [video, audio]
    const fragments = sources.flatMap(({ track, samples }, i) =>
      samples.map((sample) => ({
        seconds: sample.dtsTicks / track.timescale,
        bytes: buildFragment({
          trackId: i + 1,
          sequenceNumber: 1,
          baseDecodeTicks: sample.dtsTicks + EPOCH_SECONDS * track.timescale,
          kind: track.config.kind,
          samples: [sample],
          opensSegment: false,
        }).bytes,
      })),
    )
    fragments.sort((a, b) => a.seconds - b.seconds)
    const init = buildInitSegment(sources.map(({ track }, i) => ({ trackId: i + 1, config: track.config })))
    const input = concatBytes([init, ...fragments.map((fragment) => fragment.bytes)])
    // Durations aren't asked for: after so short a probe ffmpeg leaves those of audio to its decoder.
    const fields = 'packet=stream_index,dts,pts,size'
    const quick = ['-probesize', '32', '-analyzeduration', '0', '-f', 'mp4']
    // At the level of warnings it says that it could not guess the frame rate from 32 bytes.
    const args = ['-v', 'error', ...quick, '-show_entries', fields, '-of', 'json', 'pipe:0']
    const run = spawnSync('ffprobe', args, { input, encoding: 'utf8' })
    expect(run.stderr).toBe('')
    const { packets } = JSON.parse(run.stdout) as { packets: { readonly stream_index: number }[] }
    for (const [i, { track, samples }] of sources.entries()) {
      const own = packets.filter((packet) => packet.stream_index === i)
      const expected = samples.map((sample) => {
        const dts = sample.dtsTicks + EPOCH_SECONDS * track.timescale
        const { compositionTicks, data } = sample
        return { stream_index: i, pts: dts + compositionTicks, dts, size: String(data.byteLength) }
      })
      expect(own).toEqual(expected)
    }
  })
})
