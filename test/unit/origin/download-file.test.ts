import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { planOf } from '../../support/downloaded.ts'
import { frames, mp4boxReading, type OpinionPacket, probe } from '../../support/progressive-opinion.ts'
import { encode, encodeAudio, encodeVideo, Recording, type Stretch } from '../../support/recording.ts'

/** Recordings as progressive files, as ffmpeg, ffprobe and mp4box.js read them. */

const directory = mkdtempSync(join(tmpdir(), 'download-file-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const video = encodeVideo(6)
const audio = encodeAudio(6.1)

async function saved(name: string, recording: Recording, names?: readonly string[]): Promise<string> {
  const path = join(directory, `${name}.mp4`)
  writeFileSync(path, await (await planOf(recording, names)).bytes())
  return path
}

function stored(name: string, recording: Recording, track: number): string {
  const path = join(directory, `${name}-${track}.cmfv`)
  writeFileSync(path, recording.joined(track))
  return path
}

const hashes = (packets: readonly OpinionPacket[]) => packets.map(({ data_hash }) => data_hash)
const seconds = (packet: OpinionPacket, timescale: number) => packet.pts / timescale

function both(audioAtSeconds: number): Stretch[] {
  return [
    { rendition: 'video-1', media: video, atSeconds: 0 },
    { rendition: 'audio-1', media: audio, atSeconds: audioAtSeconds },
  ]
}

describe.each([
  { name: 'sound from before the picture', at: -0.1, fragmentSamples: Number.POSITIVE_INFINITY },
  { name: 'sound that begins later, in parts', at: 0.3, fragmentSamples: 7 },
  { name: 'sound at the same time, a fragment to a sample', at: 0, fragmentSamples: 1 },
])('$name', ({ name, at, fragmentSamples }) => {
  const recording = new Recording(both(at), { fragmentSamples })
  const path = saved(name, recording)

  it('has every packet of the segments, byte for byte and in order', async () => {
    const { packets, streams } = probe(await path, '-ignore_editlist', '1')
    expect(streams.map(({ codec_type }) => codec_type)).toEqual(['video', 'audio'])
    for (const track of [1, 2]) {
      const source = probe(stored(name, recording, track)).packets
      const own = packets.filter(({ stream_index }) => stream_index === track - 1)
      expect(hashes(own)).toEqual(hashes(source))
      expect(own.map(({ flags }) => flags.slice(0, 1))).toEqual(source.map(({ flags }) => flags.slice(0, 1)))
      const apart = (list: readonly OpinionPacket[]) =>
        list.map(({ pts, dts }) => [pts - list[0]!.pts, dts - list[0]!.dts])
      expect(apart(own)).toEqual(apart(source))
    }
  })

  it('decodes to every picture of the segments, the first one at 0, the sound as far from it as it was', async () => {
    const pictures = frames(await path, 'v')
    expect(pictures.map(({ sum }) => sum)).toEqual(frames(stored(name, recording, 1), 'v').map(({ sum }) => sum))
    expect(pictures[0]!.time).toBe(0)
    expect(pictures.at(-1)!.time).toBeCloseTo(video.samples.length / 25 - 0.04, 6)
    const sound = probe(await path).packets.filter(({ stream_index }) => stream_index === 1)
    if (at > 0) expect(seconds(sound[0]!, 48_000)).toBeCloseTo(at, 4)
    // ffmpeg counts from each file's own start. The edit begins within a packet: the n-th sample of the recording is heard `at` after the first picture, whatever is cut.
    const whole = frames(stored(name, recording, 2), 'a')
    const cut = frames(await path, 'a')
    const same = whole.findIndex(({ sum }) => sum === cut[20]!.sum)
    expect(cut[20]!.time - (whole[same]!.time + at)).toBeCloseTo(0, 3)
  })

  it('is read by mp4box.js: index in front, tables that agree', async () => {
    const { file, info } = mp4boxReading(await path)
    expect(file.boxes.map(({ type }) => type)).toEqual(['ftyp', 'moov', 'mdat'])
    expect(info.isProgressive).toBe(true)
    expect(info.isFragmented).toBe(false)
    expect(info.tracks.map(({ nb_samples }) => nb_samples)).toEqual([video.samples.length, audio.samples.length])
    expect(info.created).toEqual(new Date(recording.startSeconds * 1_000))
  })

  it('is each rendition by itself as well, from 0 on', async () => {
    for (const [index, rendition] of ['video-1', 'audio-1'].entries()) {
      const single = probe(await saved(`${name} ${rendition}`, recording, [rendition]))
      expect(single.streams).toHaveLength(1)
      expect(Number(single.streams[0]!.start_time)).toBe(0)
      expect(hashes(single.packets)).toEqual(hashes(probe(stored(name, recording, index + 1)).packets))
    }
  })
})

describe('a hole in the recording', () => {
  const later = 20.013
  const stretches = [...both(0), ...both(0).map((stretch) => ({ ...stretch, atSeconds: later }))]
  const recording = new Recording(stretches)

  it('is kept in time: the picture stands, the sound is silence, and both go on together', async () => {
    const path = await saved('hole', recording)
    expect(frames(path, 'v')).toHaveLength(2 * video.samples.length)
    const { packets } = probe(path)
    const pictures = packets.filter(({ stream_index }) => stream_index === 0)
    expect(seconds(pictures[video.samples.length]!, 90_000)).toBeCloseTo(later, 4)
    const sound = packets.filter(({ stream_index }) => stream_index === 1)
    const firstHash = sound[0]!.data_hash
    const again = sound.findIndex(
      ({ data_hash }, at) => at > 0 && data_hash === firstHash && sound[at + 1]!.data_hash === sound[1]!.data_hash,
    )
    expect(seconds(sound[again]!, 48_000)).toBeCloseTo(later, 4)
    // Nowhere is there a pause that a player could take for nothing.
    const pauses = sound.slice(1).map((packet, at) => packet.pts - sound[at]!.pts)
    expect(Math.max(...pauses)).toBeLessThan(2 * 1024)
    expect(Math.min(...pauses)).toBeGreaterThan(900)
    const silent = execVolume(path, 10, 15)
    expect(silent).toBeLessThan(-80)
    expect(execVolume(path, later + 1, later + 3)).toBeGreaterThan(-40)
  })

  it('of sound that has no silent frame is a longer frame', async () => {
    const opus = encode('-f', 'lavfi', '-i', 'sine=r=48000:d=3', '-c:a', 'libopus')
    const gap = new Recording([
      { rendition: 'audio-1', media: opus, atSeconds: 0 },
      { rendition: 'audio-1', media: opus, atSeconds: 7 },
    ])
    const { packets } = probe(await saved('opus', gap))
    const again = packets.length / 2
    expect(seconds(packets[again]!, 48_000) - seconds(packets[0]!, 48_000)).toBeCloseTo(7, 4)
  })

  it('that no file can hold is refused in words', async () => {
    const long = new Recording(
      [
        { rendition: 'video-1', media: video, atSeconds: 0 },
        { rendition: 'video-1', media: video, atSeconds: 8 * 3_600 },
      ],
      { segmentSeconds: 3_600 },
    )
    await expect(planOf(long)).rejects.toMatchObject({
      code: 'DOWNLOAD_UNSUPPORTED',
      message: expect.stringMatching(/8 hours/),
    })
  })
})

/** Mean volume in dB between two times. */
function execVolume(path: string, from: number, to: number): number {
  const args = [
    '-hide_banner',
    '-nostdin',
    '-ss',
    `${from}`,
    '-to',
    `${to}`,
    '-i',
    path,
    '-vn',
    '-af',
    'volumedetect',
    '-f',
    'null',
    '-',
  ]
  const { stderr } = spawnSync('ffmpeg', args, { encoding: 'utf8' })
  return Number(/mean_volume: (-?[\d.]+|-inf) dB/.exec(stderr)?.[1]?.replace('-inf', '-Infinity'))
}

describe('a codec that changes', () => {
  it('has a sample description for each configuration, and decodes throughout', async () => {
    const small = encodeVideo(4, '64x48')
    const recording = new Recording([
      { rendition: 'video-1', media: video, atSeconds: 0 },
      { rendition: 'video-1', media: small, atSeconds: 6 },
      { rendition: 'video-1', media: video, atSeconds: 10 },
      { rendition: 'audio-1', media: audio, atSeconds: 0 },
    ])
    const path = await saved('codecs', recording)
    const { file } = mp4boxReading(path)
    const entries = file.moov.traks[0]!.mdia.minf.stbl.stsd.entries
    expect(entries.map((entry) => 'width' in entry && entry.width)).toEqual([128, 64])
    const { samples } = { samples: file.getTrackSamplesInfo(1) }
    expect(new Set(samples.slice(0, 150).map(({ description_index }) => description_index))).toEqual(new Set([0]))
    expect(new Set(samples.slice(150, 250).map(({ description_index }) => description_index))).toEqual(new Set([1]))
    expect(samples[250]!.description_index).toBe(0)
    const pictures = frames(path, 'v', '-autorotate', '0')
    expect(pictures).toHaveLength(400)
    const alone = frames(stored('codecs', recording, 1), 'v').map(({ sum }) => sum)
    expect(pictures.slice(0, 150).map(({ sum }) => sum)).toEqual(alone)
    expect(pictures.slice(250).map(({ sum }) => sum)).toEqual(alone)
  })

  it('to another count of ticks is refused in words', async () => {
    const other = encodeAudio(2, 440, '-ar', '44100')
    const recording = new Recording([
      { rendition: 'audio-1', media: audio, atSeconds: 0 },
      { rendition: 'audio-1', media: other, atSeconds: 8 },
    ])
    await expect(planOf(recording)).rejects.toMatchObject({
      code: 'DOWNLOAD_UNSUPPORTED',
      message: expect.stringMatching(/48000 to 44100/),
    })
  })
})

describe('composition offsets below 0', () => {
  it('are lifted above it, and the first picture is at 0', async () => {
    const most = Math.max(...video.samples.map(({ compositionTicks }) => compositionTicks))
    const moved = video.samples.map((sample) => ({
      ...sample,
      dtsTicks: sample.dtsTicks + most,
      compositionTicks: sample.compositionTicks - most,
    }))
    const recording = new Recording([{ rendition: 'video-1', media: { ...video, samples: moved }, atSeconds: 0 }])
    const path = await saved('negative', recording)
    const { file } = mp4boxReading(path)
    expect(file.moov.traks[0]!.mdia.minf.stbl.ctts.version).toBe(0)
    const pictures = frames(path, 'v')
    expect(pictures.map(({ sum }) => sum)).toEqual(frames(stored('negative', recording, 1), 'v').map(({ sum }) => sum))
    expect(pictures[0]!.time).toBe(0)
  })
})

describe('any range of the file', () => {
  it('is the bytes of the whole at that place, and no more than that is read', async () => {
    const recording = new Recording([...both(0), ...both(0).map((stretch) => ({ ...stretch, atSeconds: 9 }))], {
      fragmentSamples: 10,
    })
    const { file, bytes } = await planOf(recording)
    const whole = await bytes()
    expect(whole.byteLength).toBe(file.sizeBytes)
    await fc.assert(
      fc.asyncProperty(fc.nat(file.sizeBytes - 1), fc.nat(20_000), async (first, more) => {
        const last = Math.min(first + more, file.sizeBytes - 1)
        recording.reads.length = 0
        const part = await bytes({ first, last })
        expect(part.equals(whole.subarray(first, last + 1))).toBe(true)
        // Headers of fragments that lie between are read along.
        const read = recording.reads.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
        expect(read).toBeLessThanOrEqual((last - first + 1) * 1.5 + 2_048)
      }),
      { numRuns: 200 },
    )
  })
})
