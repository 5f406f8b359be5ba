import { expect, it } from 'vitest'
import type { AssetFile } from '../../../src/domain/asset-file.ts'
import { readSidecarName, textSidecars } from '../../../src/domain/text-sidecar.ts'

it.each([
  ['movie.en.vtt', { language: 'en', role: 'subtitle', format: 'vtt', title: 'English' }],
  [
    'movie.part.one.DE-at.Forced.VTT',
    { language: 'de-AT', role: 'forced', format: 'vtt', title: 'Österreichisches Deutsch (forced)' },
  ],
  ['movie.it.sdh.ttml', { language: 'it', role: 'caption', format: 'ttml', title: 'Italiano (SDH)' }],
  ['movie.fr.cc.webvtt', { language: 'fr', role: 'caption', format: 'vtt', title: 'Français (CC)' }],
  ['movie.zh-hans.xml', { language: 'zh-Hans', role: 'subtitle', format: 'ttml', title: '简体中文' }],
  ['movie.und.imsc1', { role: 'subtitle', format: 'ttml', title: 'Text' }],
])('reads %s', (name, said) => {
  expect(readSidecarName(name)).toEqual(said)
})

it.each([
  'movie.vtt',
  'en.vtt',
  'movie.xq.vtt',
  'movie.english.vtt',
  'movie.en.srt',
  'movie.sdh.vtt',
  'movie.en.mp4',
  'movie..vtt',
  'chapters.xml',
  'a.en-.vtt',
])('takes %s for no text', (name) => {
  expect(readSidecarName(name)).toBeUndefined()
})

it('names the texts of an asset that are there whole, and are no longer than texts are', () => {
  const file = (name: string, more: Partial<AssetFile> = {}) =>
    ({ id: `af_${name}`, name, state: 'Ready', sizeBytes: 9, sha256: 'a'.repeat(64), ...more }) as AssetFile
  const files = [
    file('b.en.vtt'),
    file('a.de.ttml'),
    file('c.fr.vtt', { state: 'Uploading' }),
    file('a.mp4'),
    file('d.es.vtt', { sizeBytes: 9e6 }),
  ]
  const found = textSidecars(files)
  expect(found?.texts.map(({ name, contentType }) => [name, contentType])).toEqual([
    ['a.de.ttml', 'application/ttml+xml'],
    ['b.en.vtt', 'text/vtt'],
  ])
  expect(textSidecars(files.toReversed())?.digest).toBe(found?.digest)
  expect(textSidecars([file('b.en.vtt', { sha256: 'b'.repeat(64) }), file('a.de.ttml')])?.digest).not.toBe(
    found?.digest,
  )
  expect(textSidecars([file('a.mp4')])).toBeUndefined()
})
