import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ApiUser, type Json } from '../api.ts'
import { type ChannelHouse, publishMessages, startChannels } from '../channels.ts'
import { type Encoder, publish, publishFile } from '../ffmpeg.ts'
import { readFlvFile } from '../flv-file.ts'
import { playingVariant } from '../playlist.ts'
import { servedSeconds } from '../served.ts'
import { type Frame, type FrameRequest, readFrames, type Truth } from './frames.ts'
import { type MatrixMedia, makeMedia } from './media.ts'
import { outputs } from './outputs.ts'
import type { MatrixText } from './texts.ts'

/** Something that is published in every format. */
export type MatrixSource = {
  readonly base: string
  readonly manifestName: string
  readonly live: boolean
  /** The file that it can be downloaded as. */
  readonly file: string
  /** What it has to give; of a ladder, what its CMAF gives: other formats are held against that. */
  readonly truth: Truth
  /** Of the pictures that went in, in order: a ladder gives others, as many and at the same times. */
  readonly sent: readonly Frame[]
  /** Its texts, which were uploaded beside it; absent: it has none. */
  readonly texts?: readonly MatrixText[]
  /** Where a player finds it: of what is live, a channel that is still fed. */
  readonly watch: { readonly base: string; readonly manifestName: string }
}

export type SourceName =
  | 'live pass-through'
  | 'live ladder'
  | 'finished recording'
  | 'MP4 set'
  | '10-bit HEVC'
  | 'audio-only'
  | 'two languages + text'

export type MatrixHouse = {
  readonly sources: Readonly<Record<SourceName, MatrixSource>>
  /** Ends the encoders and the server, which says where an answer broke a rule. */
  stop(): Promise<void>
}

const LADDER = `name: matrix
videoCodec: avc
preset: superfast
rungs:
  - { width: 320, height: 180, bitrateKbps: 250 }
  - { width: 192, height: 108, bitrateKbps: 100 }
audio: { bitrateKbps: 64 }
`

/** One server with everything on it. `onAir`: two channels more, which are fed until the end. */
export async function openMatrix(folder: string, seconds: number, { onAir = false } = {}): Promise<MatrixHouse> {
  writeFileSync(join(folder, 'matrix.yaml'), LADDER)
  const channel = { segmentDuration: '1s', reconnectGrace: '1ms' }
  const ladder = { ...channel, encoding: 'standard', ladder: 'matrix' }
  const aired = onAir ? { 'pass-on-air': { channel }, 'ladder-on-air': { channel: ladder } } : {}
  const [media, house] = await Promise.all([
    makeMedia(folder, seconds),
    startChannels(
      { pass: { channel }, recorded: { channel }, ladder: { channel: ladder }, ...aired },
      { config: { transcode: { ladderDir: folder } } },
    ),
  ])
  const encoders: Encoder[] = []
  const stop = async () => {
    await Promise.all(encoders.map((encoder) => encoder.stop()))
    await house.headend.stop()
  }
  try {
    for (const name of Object.keys(aired)) {
      encoders.push(publish(`${house.headend.quickstart.rtmpUrl}/${house.at(name).key}`, { gopFrames: 25 }))
    }
    return { sources: await fill(house, media, { folder, seconds, aired: Object.keys(aired) }), stop }
  } catch (error) {
    // Whoever asked for it has nothing to stop.
    await stop()
    throw error
  }
}

/** Publishes and uploads everything. */
async function fill(
  house: ChannelHouse,
  media: MatrixMedia,
  { folder, seconds, aired }: { readonly folder: string; readonly seconds: number; readonly aired: readonly string[] },
): Promise<MatrixHouse['sources']> {
  const api = await (await ApiUser.of(house.headend)).inDefaultAccount()
  const [truths, files] = await Promise.all([
    readTruths(media),
    Promise.all([
      uploaded(house, api, 'MP4 set', [media.small, media.large]),
      uploaded(house, api, '10-bit HEVC', [media.hevc]),
      uploaded(house, api, 'audio-only', [media.sound]),
      uploaded(house, api, 'two languages + text', [media.languages, ...media.texts.map(({ file }) => file)]),
    ]),
    goLive(house, media, seconds, api),
    ...aired.map((name) => playingVariant(house.at(name).hlsUrl, 4)),
  ])
  const place = (name: string) => placeOf(house, name)
  const source = (at: Place, truth: Truth, more: Partial<MatrixSource> = {}): MatrixSource => {
    return { ...at, live: false, truth, sent: truth.video.get('320x180') ?? [], watch: at, ...more }
  }
  const [set, hevc, sound, languages] = files
  const ladderAt = place('ladder')
  const laddered = await truthOfCmaf(ladderAt, folder)
  return {
    'live pass-through': source(place('pass'), truths.live, {
      live: true,
      watch: place(aired.length > 0 ? 'pass-on-air' : 'pass'),
    }),
    'live ladder': source(ladderAt, laddered, {
      live: true,
      sent: truths.live.video.get('320x180') ?? [],
      watch: place(aired.length > 0 ? 'ladder-on-air' : 'ladder'),
    }),
    'finished recording': source(place('recorded'), truths.live),
    'MP4 set': source(set, truths.set),
    '10-bit HEVC': source(hevc, truths.hevc),
    'audio-only': source(sound, truths.sound),
    'two languages + text': source(languages, truths.languages, { texts: media.texts }),
  }
}

type Place = { readonly base: string; readonly manifestName: string; readonly file: string }

function placeOf(house: ChannelHouse, name: string): Place {
  return { base: house.at(name).hlsUrl.replace(/\/index\.m3u8$/, ''), manifestName: 'manifest', file: 'manifest.mp4' }
}

/** Publishes to the three channels, and ends the program that is to be a recording. */
async function goLive(house: ChannelHouse, media: MatrixMedia, seconds: number, api: ApiUser): Promise<void> {
  const messages = readFlvFile(readFileSync(media.live))
  const { headend } = house
  const all = { video: seconds, audio: seconds - 0.1 }
  const ladder = async () => {
    // A ladder is fed at the pace of an encoder: it may drop what comes faster.
    const { code, stderr } = await publishFile(`${headend.quickstart.rtmpUrl}/${house.at('ladder').key}`, media.live)
      .finished
    if (code !== 0) throw new Error(`the ladder's encoder ended with ${code}: ${stderr}`)
    await servedSeconds(house.at('ladder').hlsUrl, { video: seconds - 0.1, audio: seconds - 0.2 })
  }
  const burst = async (name: string) => {
    await publishMessages(headend, house.at(name).key, messages, { connectFields: {} })
    await servedSeconds(house.at(name).hlsUrl, all)
  }
  const recorded = async () => {
    await burst('recorded')
    const { body } = await api.call('GET', '/v1/programs')
    const program = (body['items'] as Json[]).find(({ name }) => name === 'recorded')
    await api.operate('POST', `/v1/programs/${program?.['id']}/stop`)
  }
  await Promise.all([ladder(), burst('pass'), recorded()])
}

async function uploaded(house: ChannelHouse, api: ApiUser, name: string, files: readonly string[]): Promise<Place> {
  const { controlUrl, apiKey, streamingUrl } = house.headend.quickstart
  const { items } = (await api.call('GET', '/v1/accounts?limit=1')).body as { items: { id: string }[] }
  const { id: assetId } = await api.ask(201, 'POST', '/v1/assets', { name: name.replaceAll(/\W+/g, '-') })
  for (const [at, path] of files.entries()) {
    const entry = { name: basename(path), ...(at === 0 && { isPrimary: true }) }
    const file = await api.ask(201, 'POST', `/v1/assets/${assetId}/files`, entry)
    const answer = await fetch(`${controlUrl}/v1/assets/${assetId}/files/${file['id']}/content`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${apiKey}`, 'headend-account': items[0]?.id ?? '' },
      body: readFileSync(path),
    })
    if (!answer.ok) throw new Error(`${path} was not taken: ${answer.status} ${await answer.text()}`)
  }
  const { id } = await api.ask(201, 'POST', '/v1/locators', { assetId })
  const main = basename(files[0] ?? '')
  return { base: `${streamingUrl}/${id}`, manifestName: main.replace(/\.\w+$/, ''), file: main }
}

async function readTruths(media: MatrixMedia) {
  const [live, small, large, hevc, sound, languages] = await Promise.all([
    truthOfFile(media.live, '320x180', ['']),
    truthOfFile(media.small, '320x180', ['']),
    truthOfFile(media.large, '640x360', ['']),
    truthOfFile(media.hevc, '192x108', ['']),
    truthOfFile(media.sound, undefined, ['']),
    truthOfFile(media.languages, '320x180', ['en', 'de']),
  ])
  const set: Truth = {
    video: new Map([...small.video, ...large.video]),
    keyFrames: new Map([...small.keyFrames, ...large.keyFrames]),
    audio: small.audio,
  }
  return { live, set, hevc, sound, languages }
}

async function truthOfFile(file: string, size: string | undefined, languages: readonly string[]): Promise<Truth> {
  const files = [file]
  const pictures: FrameRequest[] = [
    { files, kind: 'video' },
    { files, kind: 'video', keyFramesOnly: true },
  ]
  const sound = languages.map((_, index): FrameRequest => ({ files, kind: 'audio', index }))
  const { streams, complaints } = await readFrames([...(size === undefined ? [] : pictures), ...sound])
  if (complaints !== '') throw new Error(`${file}: ${complaints}`)
  const heard = streams.slice(-languages.length)
  const audio = new Map(languages.map((name, at) => [name, heard[at] ?? []]))
  if (size === undefined) return { video: new Map(), keyFrames: new Map(), audio }
  return { video: new Map([[size, streams[0] ?? []]]), keyFrames: new Map([[size, streams[1] ?? []]]), audio }
}

/** What a ladder's own CMAF gives. */
async function truthOfCmaf({ base, manifestName }: Place, folder: string): Promise<Truth> {
  const url = `${base}/${manifestName}.ism/manifest(format=m3u8-cmaf)`
  const { tracks } = await outputs['HLS CMAF'].collect(url, folder)
  const truths = await Promise.all(
    tracks.map(({ kind, label, file }) =>
      kind === 'audio' ? truthOfFile(file, undefined, [label]) : truthOfFile(file, label, []),
    ),
  )
  const merged = (which: keyof Truth) => new Map(truths.flatMap((truth) => [...truth[which]]))
  return { video: merged('video'), keyFrames: merged('keyFrames'), audio: merged('audio') }
}
