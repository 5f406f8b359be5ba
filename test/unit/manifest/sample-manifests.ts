import { XMLParser } from 'fast-xml-parser'
import { buildMpd, type MpdOptions } from '../../../src/manifest/dash-mpd.ts'
import { buildMasterPlaylist } from '../../../src/manifest/hls-master.ts'
import { buildMediaPlaylist } from '../../../src/manifest/hls-media.ts'
import type { ManifestUris } from '../../../src/manifest/manifest-uris.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { LogRecord, PresentationHeader } from '../../../src/presentation/records.ts'
import type { PresentationView } from '../../../src/presentation/view.ts'

/** URLs that say what they name. */
export const sampleUris: ManifestUris = {
  mediaPlaylist: ({ name }) => `${name}.m3u8`,
  iframePlaylist: ({ name }) => `${name}-iframes.m3u8`,
  init: ({ track }) => `init-${track}.mp4`,
  keyFrame: ({ rendition }, startTicks) => `${rendition}/${startTicks}.key.m4s`,
  segment: ({ rendition }, startTicks) => `${rendition}/${startTicks}.m4s`,
  part: ({ rendition, track }, number) => `${rendition}/${track}.${number}.m4s`,
  dashSegmentTemplate: ({ name }) => `${name}/$Time$.m4s`,
  dashNumberTemplate: ({ rendition, track }, stretch) => `${rendition}/${track}.d${stretch}.$Number$.m4s`,
  utcTiming: '/time',
}

export function presentationOf(header: PresentationHeader, records: Iterable<LogRecord>): Presentation {
  const presentation = new Presentation(header)
  for (const record of records) presentation.apply(record)
  return presentation
}

/** Every manifest of a view, by name. */
export function allManifests(view: PresentationView): Readonly<Record<string, string>> {
  const manifests: Record<string, string> = {
    master: buildMasterPlaylist(view, sampleUris),
    masterAudioOnly: buildMasterPlaylist(view, sampleUris, { audioOnly: true }),
    mpd: buildMpd(view, sampleUris),
    mpdOnEpoch: buildMpd(view, sampleUris, { endedTimeline: 'epoch' }),
  }
  for (const rendition of view.renditions) {
    manifests[rendition.name] = buildMediaPlaylist(view, rendition, sampleUris)
    manifests[`${rendition.name}-iframes`] = buildMediaPlaylist(view, rendition, sampleUris, { lists: 'key-frames' })
  }
  return manifests
}

export type MpdSegment = { readonly startTicks: number; readonly durationTicks: number }
export type MpdRepresentation = {
  readonly id: string
  readonly setId: string
  readonly timescale: number
  readonly presentationTimeOffset: number
  readonly media: string
  readonly initialization: string
  readonly segments: readonly MpdSegment[]
}
export type MpdPeriod = {
  readonly id: string
  readonly startSeconds: number
  readonly representations: readonly MpdRepresentation[]
}
export type ParsedMpd = {
  readonly attributes: Readonly<Record<string, string>>
  readonly periods: readonly MpdPeriod[]
  readonly location: string | undefined
}

type Node = { readonly [name: string]: Node[] | string | undefined }

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseAttributeValue: false,
  isArray: (_name, _path, _isLeaf, isAttribute) => !isAttribute,
})

/** An independent reading of an MPD, with `SegmentTemplate` inherited and timelines written out. */
export function readMpd(view: PresentationView, options: MpdOptions = {}): ParsedMpd {
  const root = parser.parse(buildMpd(view, sampleUris, options)) as Node
  const mpd = childrenOf(root, 'MPD')[0] as Node
  const attributes = Object.entries(mpd).flatMap(([name, value]) =>
    name.startsWith('@') && typeof value === 'string' ? [[name.slice(1), value]] : [],
  )
  const periods = childrenOf(mpd, 'Period').map((period) => ({
    id: text(period, '@id'),
    startSeconds: Number(text(period, '@start').slice(2, -1)),
    representations: childrenOf(period, 'AdaptationSet').flatMap(readSet),
  }))
  return {
    attributes: Object.fromEntries(attributes),
    periods,
    location: (mpd['Location'] as string[] | undefined)?.[0],
  }
}

function readSet(set: Node): MpdRepresentation[] {
  return childrenOf(set, 'Representation').map((representation) => {
    const template = { ...childrenOf(set, 'SegmentTemplate')[0], ...childrenOf(representation, 'SegmentTemplate')[0] }
    const timeline = childrenOf(template, 'SegmentTimeline')[0] ?? {}
    return {
      id: text(representation, '@id'),
      setId: text(set, '@id'),
      timescale: Number(text(template, '@timescale')),
      presentationTimeOffset: Number(text(template, '@presentationTimeOffset')),
      media: text(template, '@media'),
      initialization: text(template, '@initialization'),
      segments: expand(childrenOf(timeline, 'S')),
    }
  })
}

function expand(runs: readonly Node[]): MpdSegment[] {
  const segments: MpdSegment[] = []
  let endTicks = 0
  for (const run of runs) {
    const durationTicks = Number(text(run, '@d'))
    let startTicks = run['@t'] === undefined ? endTicks : Number(run['@t'])
    for (let left = Number(run['@r'] ?? 0); left >= 0; left--) {
      segments.push({ startTicks, durationTicks })
      startTicks += durationTicks
    }
    endTicks = startTicks
  }
  return segments
}

function childrenOf(node: Node, name: string): readonly Node[] {
  const children = node[name]
  return Array.isArray(children) ? children : []
}

function text(node: Node, name: string): string {
  const value = node[name]
  if (typeof value !== 'string') throw new Error(`${name} is missing`)
  return value
}
