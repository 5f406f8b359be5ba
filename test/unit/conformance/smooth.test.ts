import { describe, expect, it } from 'vitest'
import { checkSmoothReload, readSmooth } from '../../../src/conformance/smooth-manifest-rules.ts'
import { SmoothWatch } from '../../../src/conformance/smooth-watch.ts'
import { encodeVideo, Recording } from '../../support/recording.ts'
import { fragmentUrl, readSmoothManifest, serveRecording } from '../../support/smooth-client.ts'

const BASE = 17_950_000_000_000_000n

function manifest(chunks: string, { live = true, duration = '0', more = '' } = {}): string {
  const state = live ? 'IsLive="TRUE" LookAheadFragmentCount="2" DVRWindowLength="600000000"' : ''
  return `<?xml version="1.0" encoding="UTF-8"?>
<SmoothStreamingMedia MajorVersion="2" MinorVersion="2" TimeScale="10000000" Duration="${duration}" ${state}>
<StreamIndex Type="video" Name="video" QualityLevels="1" Url="QualityLevels({bitrate})/Fragments(video={start time})" ${more}>
<QualityLevel Index="0" Bitrate="300000" FourCC="H264" CodecPrivateData="00"/>${chunks}
</StreamIndex></SmoothStreamingMedia>`
}

const chunk = (seconds: number, lasts = 2) =>
  `<c t="${BASE + BigInt(seconds) * 10_000_000n}" d="${lasts * 10_000_000}"/>`
const rules = (text: string) => readSmooth(text).violations.map(({ rule, detail }) => `${rule} ${detail}`)

function reload(before: string, after: string): string[] {
  const [one, two] = [readSmooth(before), readSmooth(after)]
  expect([...one.violations, ...two.violations]).toEqual([])
  return checkSmoothReload(one.reading!, two.reading!).map(({ detail }) => detail)
}

describe('the rules of a client manifest', () => {
  it('find nothing in what keeps them, and read repeats and holes', () => {
    const text = manifest(`${chunk(0)}<c d="20000000" r="2"/>${chunk(10)}`, { more: 'Chunks="4"' })
    expect(rules(text)).toEqual([])
    const times = readSmooth(text).reading?.streams[0]?.chunks.map(({ time }) => Number(time - BASE) / 1e7)
    expect(times).toEqual([0, 2, 4, 10])
  })

  it.each([
    ['smooth-syntax', '<SmoothStreamingMedia>'],
    ['smooth-attributes', manifest(chunk(0)).replace('MajorVersion="2"', 'MajorVersion="1"')],
    ['smooth-attributes', manifest(chunk(0)).replace(/DVRWindowLength="\d+"/, '')],
    ['smooth-attributes', manifest(chunk(0)).replace('{start time}', '{time}')],
    ['smooth-attributes', manifest(chunk(0)).replace('FourCC="H264"', '')],
    ['smooth-chunks', manifest(chunk(0), { more: 'Chunks="2"' })],
    ['smooth-chunks', manifest('<c d="20000000"/>')],
    ['smooth-chunks', manifest(`${chunk(2)}${chunk(3)}`)],
    ['smooth-chunks', manifest(`<c t="0" d="1" r="99999999999"/>`)],
    ['smooth-chunks', manifest(`${chunk(0)}${chunk(2)}`, { live: false, duration: '39999999' })],
  ])('find a breach of %s', (rule, text) => {
    expect(readSmooth(text).violations.map((violation) => violation.rule)).toContain(rule)
  })

  it('of two that follow each other: chunks never change, and the window moves forward', () => {
    const before = manifest(`${chunk(0)}${chunk(2)}${chunk(4)}`)
    expect(reload(before, before)).toEqual([])
    expect(reload(before, manifest(`${chunk(2)}${chunk(4)}${chunk(6)}`))).toEqual([])
    expect(reload(before, manifest(`${chunk(0)}${chunk(2, 1)}${chunk(4)}`))[0]).toMatch(
      /of 20000000, and has one .* of 10000000/,
    )
    expect(reload(before, manifest(`${chunk(0)}${chunk(4)}`))).toHaveLength(1)
    expect(reload(manifest(`${chunk(0)}${chunk(4)}`), before)).toHaveLength(1)
    expect(reload(before, manifest(`${chunk(0)}${chunk(2)}`))[0]).toMatch(/back to/)
    const ended = manifest(`${chunk(-2)}${chunk(0)}${chunk(2)}${chunk(4)}`, { live: false, duration: '80000000' })
    expect(reload(before, ended)).toEqual([])
    // Messages come and go, wherever they stand.
    const text = (chunks: string) =>
      manifest(chunk(0)).replace(
        '</StreamIndex>',
        `</StreamIndex><StreamIndex Type="text" Name="t" Url="QualityLevels({bitrate})/Fragments(t={start time})">
        <QualityLevel Bitrate="0"/>${chunks}</StreamIndex>`,
      )
    expect(reload(text(`${chunk(9)}${chunk(20)}`), text(`${chunk(-9)}${chunk(12)}${chunk(20)}`))).toEqual([])
    expect(reload(ended, manifest(chunk(1), { live: false, duration: '20000000' }))).toEqual([])
  })
})

/** What an origin answers: the manifest, and each fragment and its information under its path. */
async function served() {
  const recording = new Recording([{ rendition: 'video-1', media: encodeVideo(6, '64x48'), atSeconds: 0 }])
  recording.presentation.apply({ type: 'ended' })
  const { server, url } = await serveRecording(recording)
  try {
    const text = await (await fetch(url)).text()
    const [stream] = readSmoothManifest(text).streams
    const urls = stream!.chunks.map(({ time }) => fragmentUrl(url, stream!, stream!.levels[0]!, time))
    const all = [...urls, ...urls.map((at) => at.replace('Fragments', 'FragmentInfo'))]
    const bytesAt = async (at: string) => Buffer.from(await (await fetch(at)).arrayBuffer())
    return {
      path: new URL(url).pathname,
      text,
      fragments: await Promise.all(all.map(async (at) => [new URL(at).pathname, await bytesAt(at)] as const)),
    }
  } finally {
    await server.stop()
  }
}

describe('the rules of a fragment', () => {
  it('find nothing in what is served, and every breach of it', async () => {
    const { path, text, fragments } = await served()
    expect(fragments).toHaveLength(6)
    const watch = new SmoothWatch()
    expect(watch.manifest(path, text, true)).toEqual([])
    for (const [at, bytes] of fragments) expect(watch.fragment(at, bytes), at).toEqual([])

    const [at, bytes] = fragments[0]!
    const details = (altered: Buffer, asked = at) =>
      watch
        .fragment(asked, altered)
        .map(({ detail }) => detail)
        .join('; ')
    const changed = (find: string, offset: number, value: number) => {
      const copy = Buffer.from(bytes)
      copy.writeUInt8(value, copy.indexOf(Buffer.from(find, /^[0-9a-f]+$/.test(find) ? 'hex' : 'latin1')) + offset)
      return copy
    }
    const tfxd = '6d1d9b0542d544e680e2141daff757b2'
    const tfrf = 'd4807ef2ca3946958e5426cb9e46a79f'
    expect(details(changed(tfxd, 27, 9))).toMatch(/^asked for at/)
    expect(details(changed(tfxd, 33, 255))).toMatch(/^tfrf has a fragment at .* before .*samples last .*is listed with/)
    expect(details(changed(tfrf, 28, 9))).toMatch(/is listed with nothing/)
    expect(details(changed(tfrf, 36, 9))).toMatch(/is listed with 20000000/)
    expect(details(changed('trun', 17, 9))).toMatch(/are not the mdat|samples last/)
    expect(details(changed('tfhd', 0, 0))).toBe('tfhd is there 0 times')
    expect(details(bytes.subarray(0, -1))).toMatch(/^it is made of undefined/)
    expect(details(bytes, at.replace('Fragments', 'FragmentInfo'))).toBe('it is made of moof mdat')
    // Whatever it is made of, it is read to its end.
    for (let size = 0; size < 400; size++) watch.fragment(at, bytes.subarray(0, size))
    expect(watch.fragment('/l/1.m4s', bytes)).toEqual([])
    expect(watch.fragment(`${at.slice(0, at.indexOf('/Frag'))}%zz`, bytes)).toEqual([])
    // What was read longest ago is forgotten for another one that lists as much as there is room for.
    expect(details(changed(tfrf, 28, 9))).toMatch(/is listed with nothing/)
    expect(watch.manifest('/l/long.ism/manifest', manifest(`<c t="0" d="1" r="65536"/>`), true)).toEqual([])
    expect(details(changed(tfrf, 28, 9))).not.toContain('listed')
  })
})

describe('a watch over both', () => {
  it('holds manifests against those before them by their folder, and leaves queries alone', () => {
    const watch = new SmoothWatch()
    const [before, after] = [manifest(`${chunk(0)}${chunk(2)}`), manifest(`${chunk(0, 1)}${chunk(2)}`)]
    expect(watch.manifest('/l/a.ism/manifest', before, true)).toEqual([])
    expect(watch.manifest('/l/b.ism/manifest', after, true)).toEqual([])
    expect(watch.manifest('/l/a.ism/Manifest(format=fmp4-v20)', after, false)).toEqual([])
    expect(watch.manifest('/l/a.ism/Manifest(format=fmp4-v20)', after, true)).toHaveLength(1)
  })
})
