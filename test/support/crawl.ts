import { createHash } from 'node:crypto'
import { readXml, type XmlElement } from '../../src/conformance/xml-reader.ts'
import { type RawAnswer, rawRequest } from '../http/raw-request.ts'
import { fragmentUrl, readSmoothManifest } from './smooth-client.ts'

/** What of an answer has to be the same, whoever gives it. */
export type CrawledAnswer = {
  readonly status: number
  readonly etag: unknown
  readonly caching: unknown
  readonly type: unknown
  /** Of the body as it was sent. */
  readonly sha256: string
  /** The same of a text that is asked for zipped. */
  readonly zipped?: Omit<CrawledAnswer, 'zipped'>
}

const TEXT = /mpegurl|dash\+xml|text\/(xml|vtt)/
const AT_ONCE = 8

/** Asks for these paths, for all that the answers name, and so on; gives each path once, with what was answered. */
export async function crawl(base: string, starts: readonly string[]): Promise<Map<string, CrawledAnswer>> {
  const found = new Map<string, CrawledAnswer>()
  let next = new Set(starts)
  while (next.size > 0) {
    const paths = [...next]
    next = new Set()
    for (let at = 0; at < paths.length; at += AT_ONCE) {
      const some = paths.slice(at, at + AT_ONCE)
      const answers = await Promise.all(some.map((path) => rawRequest(base + path)))
      for (const [index, answer] of answers.entries()) {
        const path = some[index] ?? ''
        const isText = answer.status === 200 && TEXT.test(`${answer.headers['content-type']}`)
        const zipped = isText && (await rawRequest(base + path, { headers: { 'accept-encoding': 'gzip' } }))
        found.set(path, { ...kept(answer), ...(zipped && { zipped: kept(zipped) }) })
        if (!isText) continue
        for (const link of linksOf(answer.body.toString(), base + path)) if (!found.has(link)) next.add(link)
      }
    }
    for (const path of next) if (found.has(path)) next.delete(path)
  }
  return found
}

function kept({ status, headers, body }: RawAnswer): Omit<CrawledAnswer, 'zipped'> {
  const sha256 = createHash('sha256').update(body).digest('hex')
  return { status, etag: headers.etag, caching: headers['cache-control'], type: headers['content-type'], sha256 }
}

/** Paths, with their queries, of everything that a manifest names. */
function linksOf(text: string, url: string): string[] {
  const path = (link: string) => {
    const { pathname, search } = new URL(link, url)
    return pathname + search
  }
  if (text.startsWith('#EXTM3U')) return hlsLinks(text).map(path)
  if (text.startsWith('WEBVTT')) return [...text.matchAll(/^(\S+\.jpg)#/gm)].map(([, link = '']) => path(link))
  if (text.includes('<SmoothStreamingMedia')) {
    return readSmoothManifest(text).streams.flatMap((stream) =>
      stream.levels.flatMap((level) =>
        stream.chunks.flatMap(({ time }) => {
          const link = fragmentUrl(url, stream, level, time)
          return [path(link), path(link.replace('/Fragments(', '/FragmentInfo('))]
        }),
      ),
    )
  }
  const mpd = readXml(text)
  return mpd ? dashLinks(mpd).map(path) : []
}

function hlsLinks(text: string): string[] {
  let isGap = false
  return text.split('\n').flatMap((line) => {
    if (line === '#EXT-X-GAP') isGap = true
    // What is hinted is not there yet, and in a gap there is nothing.
    if (line.startsWith('#EXT-X-PRELOAD-HINT') || line.includes('GAP=YES')) return []
    // Keys are elsewhere, or for others to give.
    if (/^#EXT-X-(SESSION-)?KEY:/.test(line)) return []
    if (line.startsWith('#')) return [...line.matchAll(/URI="([^"]+)"/g)].map(([, uri = '']) => uri)
    const isMedia = line !== '' && !isGap
    isGap = false
    return isMedia ? [line] : []
  })
}

/** Init segments and segments of all representations (ISO/IEC 23009-1 §5.3.9), where a timeline lists them. */
function dashLinks(mpd: XmlElement): string[] {
  const links = mpd.children.filter(({ name }) => name === 'Location').map(({ text }) => text.trim())
  const sets = mpd.children.filter(({ name }) => name === 'Period').flatMap(({ children }) => children)
  for (const set of sets.filter(({ name }) => name === 'AdaptationSet')) {
    for (const representation of set.children.filter(({ name }) => name === 'Representation')) {
      const template = [representation, set]
        .flatMap(({ children }) => children)
        .find(({ name }) => name === 'SegmentTemplate')
      const baseUrl = [representation, set].flatMap(({ children }) => children).find(({ name }) => name === 'BaseURL')
      const at = (link: string) => `${baseUrl?.text.trim() ?? ''}${link}`
      if (!template) {
        if (baseUrl) links.push(baseUrl.text.trim())
        continue
      }
      const filled = (text: string, time: string) =>
        text
          .replaceAll('$RepresentationID$', representation.attributes.get('id') ?? '')
          .replaceAll('$Bandwidth$', representation.attributes.get('bandwidth') ?? '')
          .replaceAll('$Time$', time)
      const { attributes } = template
      const init = attributes.get('initialization')
      if (init !== undefined) links.push(at(filled(init, '')))
      for (const time of timesOf(template)) links.push(at(filled(attributes.get('media') ?? '', String(time))))
    }
  }
  return links
}

function timesOf({ children }: XmlElement): number[] {
  const times: number[] = []
  let time = 0
  for (const { attributes } of children.find(({ name }) => name === 'SegmentTimeline')?.children ?? []) {
    time = Number(attributes.get('t') ?? time)
    for (let count = Number(attributes.get('r') ?? 0); count >= 0; count--) {
      times.push(time)
      time += Number(attributes.get('d'))
    }
  }
  return times
}
