import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { XMLParser } from 'fast-xml-parser'
import { createFile, MP4BoxBuffer } from 'mp4box'
import { parse as parseMpd } from 'mpd-parser'
import { run } from '../ffmpeg.ts'
import { fetchBytes } from '../playlist.ts'
import type { OutputName } from './outputs.ts'

/** From when to when, in milliseconds, and what is to be read: lines apart, without markup. */
export type Cue = readonly [startMs: number, endMs: number, text: string]

/** A text of a source, and the file that it is uploaded as. */
export type MatrixText = { readonly language: string; readonly cues: readonly Cue[]; readonly file: string }

const ENGLISH: readonly Cue[] = [
  [500, 1_900, 'first'],
  [2_000, 3_500, 'second & third'],
  [3_600, 12_250, 'over three segments'],
  [5_123, 6_456, 'two\nlines'],
  [13_001, 14_999, 'last'],
]
const GERMAN: readonly Cue[] = [
  [1_000, 3_200, 'eins'],
  [4_040, 9_000, 'zwei\nZeilen'],
  [12_500, 13_960, 'drei & vier'],
]

/** Writes WebVTT in English and IMSC1 in German beside a film of so many seconds, named as its texts are. */
export function writeTexts(folder: string, film: string, seconds: number): readonly MatrixText[] {
  const within = (cues: readonly Cue[]) => cues.filter(([, endMs]) => endMs <= seconds * 1_000)
  const texts = [
    { language: 'en', cues: within(ENGLISH), file: join(folder, `${film}.en.vtt`) },
    { language: 'de', cues: within(GERMAN), file: join(folder, `${film}.de.ttml`) },
  ] as const
  writeFileSync(texts[0].file, webVtt(texts[0].cues))
  writeFileSync(texts[1].file, imsc1(texts[1].cues))
  return texts
}

const clock = (ms: number) => new Date(ms).toISOString().slice(11, 23)
const escaped = (text: string) => text.replaceAll('&', '&amp;')

function webVtt(cues: readonly Cue[]): string {
  return `WEBVTT\n\n${cues.map(([from, to, text]) => `${clock(from)} --> ${clock(to)}\n${escaped(text)}\n`).join('\n')}`
}

function imsc1(cues: readonly Cue[]): string {
  const lines = cues.map(([from, to, text]) => {
    return `<p begin="${clock(from)}" end="${clock(to)}">${escaped(text).replaceAll('\n', '<br/>')}</p>`
  })
  return `<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" xmlns:tts="http://www.w3.org/ns/ttml#styling"
 ttp:profile="http://www.w3.org/ns/ttml/profile/imsc1/text" xml:lang="de"><head><layout><region xml:id="r" tts:origin="10% 80%"
 tts:extent="80% 20%"/></layout></head><body><div region="r">${lines.join('\n')}</div></body></tt>`
}

/** Says what of a source's texts an output does not give as they are; `undefined` where it has no place for texts. */
export async function textFaults(
  texts: readonly MatrixText[],
  output: OutputName,
  manifest: { readonly url: string; readonly text: string },
): Promise<readonly string[] | undefined> {
  if (output === 'HLS CMAF' || output === 'HLS TS v4') return hlsFaults(texts, manifest)
  if (output === 'DASH cmaf' || output === 'DASH csf') return dashFaults(texts, manifest.url)
  return undefined
}

type Read = { readonly language: string; readonly form: string; readonly cues: readonly Cue[] }

function differences(texts: readonly MatrixText[], read: readonly Read[], forms: number): readonly string[] {
  const lacking = texts.length * forms === read.length ? [] : [`${read.length} texts are listed`]
  const faults = read.flatMap(({ language, form, cues }) => {
    const wanted = JSON.stringify(texts.find((text) => text.language === language)?.cues)
    const given = JSON.stringify([...cues].sort(([a], [b]) => a - b))
    return wanted === given ? [] : [`${language} as ${form} is ${given}`]
  })
  return [...lacking, ...faults]
}

/** ffmpeg reads the segments of WebVTT, in each of which a cue stands that it touches. */
async function hlsFaults(
  texts: readonly MatrixText[],
  { url, text }: { readonly url: string; readonly text: string },
): Promise<readonly string[]> {
  const languages = [...text.matchAll(/TYPE=SUBTITLES.*LANGUAGE="([^"]*)"/g)].map(([, language = '']) => language)
  const read: Read[] = []
  for (const [at, language] of languages.entries()) {
    read.push({ language, form: 'segments of WebVTT', cues: await ffmpegCues(url, `0:s:${at}`) })
  }
  return differences(texts, read, 1)
}

async function ffmpegCues(url: string, stream: string): Promise<readonly Cue[]> {
  const lenient = ['-strict', 'experimental', '-copyts']
  const args = ['-v', 'error', '-nostdin', ...lenient, '-i', url, '-map', stream, '-f', 'webvtt', '-']
  const { stdout } = await run('ffmpeg', args)
  const blocks = stdout.split(/\n\n+/).flatMap((block): Cue[] => {
    const [, from = '', to = '', text = ''] = /^([\d:.]+) --> ([\d:.]+).*\n([\s\S]*)$/m.exec(block) ?? []
    return from === '' ? [] : [[milliseconds(from), milliseconds(to), plain(text)]]
  })
  return joined(blocks)
}

/** `1:02:03.456`, with or without hours. */
function milliseconds(text: string): number {
  return Math.round(text.split(':').reduce((seconds, part) => seconds * 60 + Number(part), 0) * 1_000)
}

const plain = (text: string) =>
  text
    .replace(/<[^>]*>/g, '')
    .replaceAll('&amp;', '&')
    .trim()

/** A cue that is told piece by piece is one. */
function joined(pieces: readonly Cue[]): readonly Cue[] {
  const cues: [number, number, string][] = []
  for (const [startMs, endMs, text] of pieces) {
    const known = cues.find((cue) => cue[2] === text && startMs >= cue[0] && startMs <= cue[1])
    if (known) known[1] = Math.max(known[1], endMs)
    else cues.push([startMs, endMs, text])
  }
  return cues
}

/** Texts in fragments, and whole files beside the media. */
async function dashFaults(texts: readonly MatrixText[], url: string): Promise<readonly string[]> {
  const read = [...(await dashTexts(url)), ...(await dashTexts(`${url}?text=file`))]
  return differences(texts, read, 2)
}

type Listed = {
  readonly attributes: Readonly<Record<string, unknown>>
  readonly segments: readonly { readonly resolvedUri: string; readonly map?: { readonly resolvedUri: string } }[]
}

type Group = Readonly<Record<string, { readonly language: string; readonly playlists: readonly Listed[] }>>
type Groups = { readonly SUBTITLES: Readonly<Record<string, Group>> }

async function dashTexts(url: string): Promise<readonly Read[]> {
  const text = await (await fetch(url)).text()
  const { mediaGroups } = parseMpd(text, { manifestUri: url }) as unknown as { readonly mediaGroups: Groups }
  const offset = /contentType="text"[\s\S]*?timescale="(\d+)" presentationTimeOffset="(\d+)"/.exec(text)
  const zeroMs = offset ? (Number(offset[2]) / Number(offset[1])) * 1_000 : 0
  const listed = Object.values(mediaGroups.SUBTITLES).flatMap((group) => Object.values(group))
  return Promise.all(
    listed.map(async ({ language, playlists: [playlist] }): Promise<Read> => {
      const { segments = [], attributes = {} } = playlist ?? {}
      const codec = String(attributes['CODECS'] ?? '')
      const [first] = segments
      if (!first) return { language, form: 'nothing', cues: [] }
      if (codec === '') return { language, form: 'a file', cues: await fileCues(first.resolvedUri) }
      const init = await fetchBytes(first.map?.resolvedUri ?? '')
      const media = await Promise.all(segments.map(({ resolvedUri }) => fetchBytes(resolvedUri)))
      return { language, form: codec, cues: fragmentCues(codec, init, media, zeroMs) }
    }),
  )
}

async function fileCues(url: string): Promise<readonly Cue[]> {
  const bytes = Buffer.from(await fetchBytes(url)).toString()
  return bytes.startsWith('WEBVTT') ? ffmpegCues(url, '0:s:0') : ttmlCues(bytes, 0)
}

/** mp4box says what samples there are and when; TTML has its own times, which count from the same zero. */
function fragmentCues(codec: string, init: Uint8Array, media: readonly Uint8Array[], zeroMs: number): readonly Cue[] {
  const pieces = samplesOf(init, media).flatMap(({ startMs, endMs, data }): Cue[] => {
    if (codec.startsWith('stpp')) return [...ttmlCues(Buffer.from(data).toString(), zeroMs)]
    return payloadsOf(data).map((text) => [Math.round(startMs - zeroMs), Math.round(endMs - zeroMs), plain(text)])
  })
  return joined(pieces)
}

type TextSample = { readonly startMs: number; readonly endMs: number; readonly data: Uint8Array }

function samplesOf(init: Uint8Array, media: readonly Uint8Array[]): readonly TextSample[] {
  const file = createFile()
  const found: TextSample[] = []
  file.onReady = ({ tracks: [track] }) => {
    if (track) file.setExtractionOptions(track.id, undefined, { nbSamples: 1 })
    file.start()
  }
  file.onSamples = (_id, _user, samples) => {
    for (const { cts, duration, timescale, data } of samples) {
      const ms = (ticks: number) => (ticks / timescale) * 1_000
      found.push({ startMs: ms(cts), endMs: ms(cts + duration), data: data ?? new Uint8Array() })
    }
  }
  let at = 0
  for (const bytes of [init, ...media]) {
    const copy = new Uint8Array(bytes)
    file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(copy.buffer, at))
    at += copy.byteLength
  }
  file.flush()
  return found
}

/** What the cues of a sample of `wvtt` say (ISO/IEC 14496-30 §6): `payl` in each `vttc`. */
function payloadsOf(data: Uint8Array): readonly string[] {
  return boxesOf(data)
    .filter(({ type }) => type === 'vttc')
    .flatMap(({ body }) => boxesOf(body))
    .filter(({ type }) => type === 'payl')
    .map(({ body }) => Buffer.from(body).toString())
}

function boxesOf(data: Uint8Array): { readonly type: string; readonly body: Uint8Array }[] {
  const bytes = Buffer.from(data)
  const boxes = []
  for (let at = 0; at + 8 <= bytes.length; at += Math.max(8, bytes.readUInt32BE(at))) {
    const end = at + bytes.readUInt32BE(at)
    boxes.push({ type: bytes.toString('latin1', at + 4, at + 8), body: bytes.subarray(at + 8, end) })
  }
  return boxes
}

type Node = Readonly<Record<string, unknown>>

function ttmlCues(document: string, zeroMs: number): readonly Cue[] {
  const parser = new XMLParser({
    preserveOrder: true,
    ignoreAttributes: false,
    removeNSPrefix: true,
    trimValues: false,
  })
  const paragraphs = (nodes: readonly Node[]): Node[] =>
    nodes.flatMap((node) => ('p' in node ? [node] : childrenOf(node).length > 0 ? paragraphs(childrenOf(node)) : []))
  return paragraphs(parser.parse(document) as Node[]).map((node): Cue => {
    const attributes = node[':@'] as Readonly<Record<string, string>>
    const at = (name: string) => Math.round(milliseconds(attributes[`@_${name}`] ?? '') - zeroMs)
    return [at('begin'), at('end'), textOf(childrenOf(node)).trim()]
  })
}

function childrenOf(node: Node): readonly Node[] {
  return Object.entries(node).flatMap(([name, value]) =>
    name === ':@' || !Array.isArray(value) ? [] : (value as Node[]),
  )
}

function textOf(nodes: readonly Node[]): string {
  return nodes
    .map((node) => ('br' in node ? '\n' : '#text' in node ? String(node['#text']) : textOf(childrenOf(node))))
    .join('')
}
