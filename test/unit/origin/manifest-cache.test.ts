import { scheduler } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { MediaPlaylist } from '../../../src/manifest/hls-media.ts'
import { ListingSurvey } from '../../../src/manifest/listing-survey.ts'
import { ManifestCache } from '../../../src/origin/manifest-cache.ts'
import type { RenderedManifest } from '../../../src/origin/rendered.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { PresentationHeader } from '../../../src/presentation/records.ts'
import { sampleUris } from '../manifest/sample-manifests.ts'
import { audioTrack, SampleLog, sampleHeader, videoTrack } from '../presentation/sample-log.ts'

const header: PresentationHeader = { ...sampleHeader, rewindWindowMs: 3_000_000 }
const MEGABYTE = 2 ** 20

/** A presentation that follows a log as that is written. */
class Following {
  readonly log = new SampleLog(header).add(videoTrack(1, 'video-1')).add(audioTrack(2, 'audio-1'))
  readonly view = new Presentation(header)
  readonly survey = new ListingSurvey(this.view)
  readonly cache: ManifestCache
  blocksRendered = 0
  #applied = 0

  constructor(budgetBytes = MEGABYTE) {
    this.cache = new ManifestCache(budgetBytes)
  }

  sync(): this {
    for (; this.#applied < this.log.records.length; this.#applied++) {
      const record = this.log.records[this.#applied]
      if (record) this.view.apply(record)
    }
    return this
  }

  get whole(): string {
    return this.#open(this.survey).toString()
  }

  get(kind = 'a'): Promise<RenderedManifest> {
    const open = () => {
      const playlist = this.#open(this.survey)
      const render = playlist.block.bind(playlist)
      playlist.block = (block) => {
        this.blocksRendered++
        return render(block)
      }
      return playlist
    }
    return Promise.resolve(this.cache.blocked(this.view, kind, open))
  }

  #open(survey: ListingSurvey): MediaPlaylist {
    const rendition = this.view.renditions[0]
    if (!rendition) throw new Error('no rendition')
    return new MediaPlaylist(this.view, rendition, sampleUris, {}, survey)
  }
}

async function textsOf(manifest: RenderedManifest): Promise<readonly [string, string]> {
  const zipped = await manifest.gzip()
  const plain = await manifest.identity()
  if (!zipped) throw new Error('not compressed')
  expect(zipped.etag).toBe(plain.etag.replace(/"$/, '-gzip"'))
  return [gunzipSync(zipped.body).toString(), Buffer.from(plain.body).toString()]
}

describe('a long playlist', () => {
  test('is the same text, plain and compressed, in every version; each block is made once', async () => {
    const following = new Following()
    following.log.segments(2_000)
    const etags = new Set<string>()
    for (let version = 0; version < 300; version += 20) {
      following.log.segments(20)
      if (version === 100) following.log.discontinuity().add(videoTrack(9, 'video-1'))
      if (version === 200) following.log.evict(900)
      const manifest = await following.sync().get()
      expect(await textsOf(manifest)).toEqual([following.whole, following.whole])
      etags.add((await manifest.identity()).etag)
    }
    expect(etags.size).toBe(15)
    // 1,500 segments have at most six whole blocks at a time, and the window moved on by another.
    expect(following.blocksRendered).toBeLessThanOrEqual(7)
  })

  test('what is lost in a block makes it anew, and the one behind it where that says so', async () => {
    const following = new Following()
    following.log.segments(2_000)
    await following.sync().get()
    const before = following.blocksRendered
    following.log.lose(1_100)
    expect(await textsOf(await following.sync().get())).toEqual([following.whole, following.whole])
    expect(following.blocksRendered).toBe(before + 1)
    following.log.lose(1_279)
    expect(await textsOf(await following.sync().get())).toEqual([following.whole, following.whole])
    expect(following.blocksRendered).toBe(before + 3)
  })

  test('is made once for all that ask at the same time, also while it changes under them', async () => {
    const following = new Following()
    following.log.segments(2_000)
    const first = following.sync().get()
    following.log.segment()
    const second = following.sync().get()
    expect(await second).toBe(await first)
    expect(await textsOf(await second)).toEqual([following.whole, following.whole])
    expect(following.blocksRendered).toBeLessThanOrEqual(6)
    expect(await following.get()).toBe(await second)
    following.log.segment()
    following.sync()
    const asking: Promise<RenderedManifest>[] = []
    for (let asked = 0; asked < 40; asked++) {
      asking.push(following.get())
      await scheduler.yield()
    }
    expect(new Set(await Promise.all(asking)).size).toBe(1)
  })

  test('has the same validator in every origin that read the same log', async () => {
    const [one, other] = [new Following(), new Following()]
    one.log.segments(1_700)
    await one.sync().get()
    one.log.segments(50)
    other.log.segments(1_750)
    const [mine, its] = await Promise.all([one.sync().get(), other.sync().get()])
    expect((await mine.gzip())?.etag).toBe((await its.gzip())?.etag)
  })

  test('counts what it holds, and gives way to others past the budget', async () => {
    const following = new Following(60_000)
    following.log.segments(2_000)
    for (const kind of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      const manifest = await following.sync().get(kind)
      expect(await textsOf(manifest)).toEqual([following.whole, following.whole])
      expect(following.cache.sizeBytes).toBeLessThanOrEqual(60_000)
    }
    expect(following.cache.sizeBytes).toBeGreaterThan(20_000)
    following.log.segments(1_500)
    await following.sync().get('h')
    expect(following.cache.sizeBytes).toBeLessThanOrEqual(60_000)
  })
})
