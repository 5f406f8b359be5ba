import { execFileSync } from 'node:child_process'
import { createDecipheriv, createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import hlsParser from 'hls-parser'
import { concatBytes } from '../../../src/lib/bytes.ts'
import { decryptSample, encryptedSamples } from '../cenc-reader.ts'
import { run } from '../ffmpeg.ts'
import { outputs } from '../matrix/outputs.ts'
import { fetchBytes } from '../playlist.ts'
import { decoded, PACKAGER } from '../protected-media.ts'
import { fragmentUrl, readSmoothManifest } from '../smooth-client.ts'

/** What a tool makes of each track: a checksum for each frame, or for each sample. */
export type Reading = ReadonlyMap<string, readonly string[]>

/** With which key: the one that the manifest leads to, or this one. */
export type ReadOptions = {
  readonly folder: string
  /** What of it is read, in seconds; all. */
  readonly seconds?: number | undefined
  readonly key?: Uint8Array | undefined
}

async function textAt(url: string): Promise<string> {
  const response = await fetch(url)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  return text
}

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

/** ffmpeg's HLS client, which decrypts whole segments and SAMPLE-AES by itself, on every playlist of a master. */
export async function readHls(url: string, options: ReadOptions): Promise<Reading> {
  const master = hlsParser.parse(await textAt(url))
  if (!master.isMasterPlaylist) throw new Error(`${url} is no master playlist`)
  const lists = new Set<string>()
  for (const { uri, audio, isIFrameOnly } of master.variants) {
    if (isIFrameOnly) continue
    for (const list of [uri, ...audio.flatMap((group) => group.uri ?? [])]) lists.add(new URL(list, url).href)
  }
  const found = await Promise.all([...lists].map((list) => readPlaylist(list, options)))
  return new Map(found.flatMap((tracks, at) => tracks.map((frames, track) => [`${at}/${track}`, frames] as const)))
}

/** The same of one playlist: what it decodes of each of its streams. */
export async function readPlaylist(url: string, { folder, seconds, key }: ReadOptions): Promise<string[][]> {
  const own = mkdtempSync(join(folder, 'list-'))
  const given = join(own, 'given.key')
  if (key) writeFileSync(given, key)
  const absolute = (uri: string) => new URL(uri, url).href
  const lines = (await textAt(url)).split('\n').map((line) => {
    if (line === '' || line === '#EXT-X-ENDLIST') return ''
    if (!line.startsWith('#')) return absolute(line)
    const isKey = line.startsWith('#EXT-X-KEY')
    return line.replace(/URI="([^"]*)"/, (_, uri: string) => `URI="${isKey && key ? given : absolute(uri)}"`)
  })
  const file = join(own, 'list.m3u8')
  // What is live would be waited for without end.
  writeFileSync(file, [...lines.filter((line) => line !== ''), '#EXT-X-ENDLIST', ''].join('\n'))
  const reads = ['-allowed_extensions', 'ALL', '-protocol_whitelist', 'file,http,tcp,crypto,data', '-i', file]
  const until = seconds === undefined ? [] : ['-t', String(seconds)]
  const { stdout } = await run('ffmpeg', ['-v', 'error', ...reads, '-map', '0', ...until, '-f', 'framemd5', '-'])
  return streamsOf(stdout)
}

function streamsOf(framemd5: string): string[][] {
  const streams: string[][] = []
  for (const line of framemd5.split('\n')) {
    if (!/^\d/.test(line)) continue
    const fields = line.split(',')
    const stream = Number(fields[0])
    streams[stream] ??= []
    streams[stream].push(fields.at(-1)?.trim() ?? '')
  }
  return streams
}

/** Fragments of HLS or DASH, joined: what ffmpeg makes of them with the key, or in the clear. */
export async function readFragments(
  form: 'HLS CMAF' | 'DASH cmaf' | 'DASH csf',
  url: string,
  { folder, key }: ReadOptions,
): Promise<Reading> {
  const files = await joinedFragments(form, url, folder)
  const frames = await Promise.all([...files.values()].map((file) => decoded(readFileSync(file), key)))
  return new Map([...files.keys()].map((label, at) => [label, frames[at] ?? []]))
}

/** The same through shaka-packager, which decrypts them. */
export async function readByPackager(
  form: 'HLS CMAF' | 'DASH cmaf',
  url: string,
  { folder, key, kid }: ReadOptions & { readonly key: Uint8Array; readonly kid: string },
): Promise<Reading> {
  const files = await joinedFragments(form, url, folder)
  const keys = `label=:key_id=${kid.replaceAll('-', '')}:key=${Buffer.from(key).toString('hex')}`
  const read = await Promise.all(
    [...files].map(async ([label, file]) => {
      const out = `${file}.back.mp4`
      const stream = `in=${file},stream=${label.split(' ')[0]},output=${out}`
      execFileSync(PACKAGER, [stream, '--enable_raw_key_decryption', '--keys', keys], { stdio: 'pipe' })
      return [label, await decoded(readFileSync(out))] as const
    }),
  )
  return new Map(read)
}

async function joinedFragments(form: keyof typeof outputs, url: string, folder: string): Promise<Map<string, string>> {
  const own = mkdtempSync(join(folder, 'fragments-'))
  const { tracks } = await outputs[form].collect(url, own)
  return new Map(tracks.map(({ kind, label, file }) => [`${kind} ${label}`, file]))
}

/** What a manifest says of its envelope. */
async function envelopeOf(url: string, manifest: string, key: Uint8Array | undefined) {
  const [, iv = ''] = /<sea:CryptoPeriod IV="0x([0-9A-F]{32})"/.exec(manifest) ?? []
  const [, keyUrl = ''] = /keyUriTemplate="([^"]+)"/.exec(manifest) ?? []
  if (iv === '') return undefined
  const value = key ?? (await fetchBytes(new URL(keyUrl, url).href))
  return (bytes: Uint8Array): Uint8Array => {
    const decipher = createDecipheriv('aes-128-cbc', value, Buffer.from(iv, 'hex'))
    return Buffer.concat([decipher.update(bytes), decipher.final()])
  }
}

/** DASH in the envelope: each segment decrypted by OpenSSL, joined, and decoded by ffmpeg. */
export async function readDashEnvelope(url: string, { folder, key }: ReadOptions): Promise<Reading> {
  const own = join(folder, `envelope-${md5(Buffer.from(`${url}${key}`))}`)
  mkdirSync(own, { recursive: true })
  const { manifest, tracks } = await outputs['DASH csf'].collect(url, own)
  const open = (await envelopeOf(url, manifest.text, key)) ?? ((bytes: Uint8Array) => bytes)
  const read = tracks.map(async ({ kind, label, init, segments }) => {
    const file = concatBytes([...(init ? [init] : []), ...segments].map(open))
    return [`${kind} ${label}`, await decoded(file)] as const
  })
  return new Map(await Promise.all(read))
}

/** Smooth Streaming in the clear, in the envelope or as PIFF: the samples of every quality level. */
export async function readSmooth(url: string, { key }: ReadOptions): Promise<Reading> {
  const text = await textAt(url)
  const envelope = await envelopeOf(url, text, key)
  const { streams } = readSmoothManifest(text)
  const levels = streams.flatMap((stream) => stream.levels.map((level) => ({ stream, level })))
  const isPiff = text.includes('9A04F079-9840-4286-AB92-E65BE0885F95')
  const read = levels.map(async ({ stream, level }) => {
    const sums: string[] = []
    for (const { time } of stream.chunks) {
      const bytes = await fetchBytes(fragmentUrl(url, stream, level, time))
      const fragment = Buffer.from(envelope ? envelope(bytes) : bytes)
      const how = { scheme: 'cenc', constantIv: Buffer.alloc(0), crypt: 0, skip: 0 }
      for (const sample of encryptedSamples(fragment, isPiff ? 8 : 0)) {
        sums.push(md5(isPiff && key ? decryptSample(sample, key, how) : sample.data))
      }
    }
    return [`${stream.attributes['Type']} ${level['Bitrate']}`, sums] as const
  })
  return new Map(await Promise.all(read))
}
