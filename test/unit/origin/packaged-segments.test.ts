import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import type { Delivery } from '../../../src/origin/deliveries.ts'
import type { MediaRequest } from '../../../src/origin/media-answers.ts'
import { PackagedSegments } from '../../../src/origin/packaged-segments.ts'
import { overloaded, shedReasonOf } from '../../../src/origin/shed-reason.ts'
import type { SegmentPackaging } from '../../../src/packaging/segment-packaging.ts'
import { FakeLive } from '../../http/origin-fixture.ts'

const HEAD_BYTES = 10

/** A packaging that puts a head in front of what is stored, as it is or copied. */
function packagingOf(name: string, isCopied = false): SegmentPackaging {
  const bodyOf = ({ media }: Parameters<SegmentPackaging['package']>[0]) => media.flatMap(({ fragments }) => fragments)
  return {
    name,
    contentType: 'video/mp4',
    package: (segment) => Buffer.concat([Buffer.alloc(HEAD_BYTES, 1), ...bodyOf(segment)]),
    ...(!isCopied && { pieces: (segment, take) => [take(HEAD_BYTES).fill(1), ...bodyOf(segment)] }),
  }
}

function bench(
  options: { readonly cacheBytes?: number; readonly maxMaking?: number; readonly isShared?: boolean } = {},
) {
  const { cacheBytes = 1 << 20, maxMaking, isShared = false } = options
  const view = new FakeLive().addTracks().addSegments(4).presentation
  const rendition = view.renditions[0]!
  const leases: AbortSignal[] = []
  const reads: PromiseWithResolvers<readonly Uint8Array[]>[] = []
  const read = (_id: string, _rendition: number, _sequence: number, signal: AbortSignal) => {
    leases.push(signal)
    const reading = Promise.withResolvers<readonly Uint8Array[]>()
    reads.push(reading)
    return reading.promise
  }
  const packaged = new PackagedSegments({ read }, cacheBytes, maxMaking)
  const ask = (sequence: number, packaging: SegmentPackaging, admission?: MediaRequest['admission']) => {
    const leaving = new AbortController()
    const request = { method: 'GET', headers: {} } as IncomingMessage
    const delivery: Delivery = { protection: 'clear', digest: 'd', protocols: ['hls'] }
    const asked = {
      request,
      view,
      digest: 'd',
      delivery,
      caching: 'validated',
      signal: leaving.signal,
      admission,
    } as const
    const answer = packaged.answer(asked, [rendition], sequence, packaging)
    return { answer, leave: () => leaving.abort() }
  }
  const arrive = (at: number) => {
    const memory = isShared ? new SharedArrayBuffer(100) : new ArrayBuffer(100)
    reads[at]?.resolve([new Uint8Array(memory).fill(7)])
  }
  return { ask, arrive, leases, reads, packaged }
}

describe('segments in other containers', () => {
  it('hold on to the stored bytes that they are made of for as long as they are kept or read', async () => {
    const { ask, arrive, leases } = bench({ cacheBytes: 150 })
    const first = ask(0, packagingOf('pieces'))
    arrive(0)
    expect(Buffer.concat((await first.answer).chunks)).toEqual(
      Buffer.concat([Buffer.alloc(10, 1), Buffer.alloc(100, 7)]),
    )
    first.leave()
    expect(leases[0]?.aborted).toBe(false)
    const second = ask(1, packagingOf('pieces'))
    arrive(1)
    await second.answer
    // The first had to make room.
    expect(leases.map(({ aborted }) => aborted)).toEqual([true, false])
    const third = ask(2, packagingOf('pieces'))
    arrive(2)
    await third.answer
    // The second is not kept any more, but still read.
    expect(leases.map(({ aborted }) => aborted)).toEqual([true, false, false])
    second.leave()
    expect(leases.map(({ aborted }) => aborted)).toEqual([true, true, false])
  })

  it.each([
    ['what is copied', packagingOf('copied', true), false],
    ['what is in the memory of a live log', packagingOf('pieces'), true],
  ])('let go at once of %s', async (_name, packaging, isShared) => {
    const { ask, arrive, leases } = bench({ isShared })
    const { answer } = ask(0, packaging)
    arrive(0)
    expect((await answer).chunks).toHaveLength(1)
    expect(leases[0]?.aborted).toBe(true)
  })

  it('let go of what nobody waits for any more, and of what can not be read', async () => {
    const { ask, leases, reads } = bench()
    const left = ask(0, packagingOf('pieces'))
    left.leave()
    await expect(left.answer).rejects.toBeDefined()
    expect(leases[0]?.aborted).toBe(true)
    reads[0]?.reject(new AppError('STOPPED', 'Nobody reads this any more.'))
    const failed = ask(1, packagingOf('pieces'))
    reads[1]?.reject(new AppError('STORAGE_DOWN', 'The disk is away.'))
    await expect(failed.answer).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    expect(leases[1]?.aborted).toBe(true)
  })

  it('are refused when so many are being made; who asks for one of those waits with the others', async () => {
    const { ask, arrive } = bench({ maxMaking: 2 })
    const packaging = packagingOf('pieces')
    const making = [ask(0, packaging), ask(1, packaging), ask(1, packaging)]
    const refused = await ask(2, packaging).answer.catch((error: unknown) => error)
    expect(shedReasonOf(refused)).toBe('packaging')
    arrive(0)
    arrive(1)
    for (const { answer } of making) expect((await answer).status).toBe(200)
    const next = ask(2, packaging)
    arrive(2)
    expect((await next.answer).status).toBe(200)
  })

  it('are made only for who is let in while there is too much to do, and given to everybody once they are there', async () => {
    const { ask, arrive } = bench()
    const packaging = packagingOf('pieces')
    const forWork = () => {
      throw overloaded('delay', 'Too much to do.')
    }
    const refused = await ask(0, packaging, { forWork }).answer.catch((error: unknown) => error)
    expect(shedReasonOf(refused)).toBe('delay')
    const made = ask(0, packaging)
    arrive(0)
    await made.answer
    expect((await ask(0, packaging, { forWork }).answer).status).toBe(200)
  })
})
