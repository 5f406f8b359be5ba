import { expect, it } from 'vitest'
import type { TextSet } from '../../../src/domain/text-sidecar.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { TextSource, type TextSourcePorts } from '../../../src/roles/text-source.ts'
import { FakeLive } from '../../http/origin-fixture.ts'

const { signal } = new AbortController()
const ENGLISH = 'WEBVTT\n\n00:01.000 --> 00:02.000\nhello\n'
/** No room for two texts: one is read again when the other was. */
const CACHE_BYTES = 200

function setAt(place: string, ...names: string[]): TextSet {
  const told = { title: 'English', language: 'en', role: 'subtitle', format: 'vtt', contentType: 'text/vtt' } as const
  const texts = ['a', ...names].map((name) => {
    return { ...told, name: `${name}.en.vtt`, blob: name, sizeBytes: ENGLISH.length, digest: name }
  })
  return { assetId: 'as', place: { name: place }, texts, digest: 'set' } as unknown as TextSet
}

/** A presentation, and texts that lie at `good` alone. */
function bench(good: () => string) {
  const view = new FakeLive().addTracks().addSegments(4).presentation
  const asked: string[] = []
  const ports: TextSourcePorts = {
    storage: (place) => ({
      read: async () => {
        const { name } = place as unknown as { name: string }
        asked.push(name)
        if (name !== good()) throw new AppError('STORAGE_DOWN', 'not here')
        return Buffer.from(ENGLISH)
      },
    }),
    files: { textsIn: () => undefined, readText: async () => undefined },
    broken: () => undefined,
    clock: new VirtualClock(),
    logger: silentLogger,
  }
  const texts = new TextSource(ports, CACHE_BYTES)
  return { view, texts, asked }
}

it('reads the same texts from where they lie now', async () => {
  let good = 'old'
  const { view, texts, asked } = bench(() => good)
  const before = await texts.beside(view, setAt('old', 'b'), signal)
  expect(before.texts).toHaveLength(2)
  good = 'new'
  expect(await texts.beside(view, setAt('new', 'b'), signal)).toBe(before)
  for (const text of before.texts ?? []) expect((await texts.read(text, signal))?.cues).toHaveLength(1)
  expect(asked).toEqual(['old', 'old', 'new', 'new'])
})

it('looks at once for what the old place did not give when there is another', async () => {
  const { view, texts, asked } = bench(() => 'new')
  const set = setAt('old')
  expect((await texts.beside(view, set, signal)).texts ?? []).toEqual([])
  await texts.beside(view, set, signal)
  expect(asked).toEqual(['old'])
  const moved = setAt('new')
  await texts.beside(view, moved, signal)
  for (let turn = 0; turn < 30; turn++) await Promise.resolve()
  expect((await texts.beside(view, moved, signal)).texts).toHaveLength(1)
  expect(asked).toEqual(['old', 'new'])
})
