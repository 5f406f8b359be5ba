import { describe, expect, it } from 'vitest'
import type { StreamingEndpoint } from '../../../src/domain/streaming-endpoint.ts'
import { ScaledEndpoints } from '../../../src/roles/scaled-endpoints.ts'

function bench(maxThreads = 6) {
  const steps: string[] = []
  const note = (step: string) => {
    steps.push(step)
    return Promise.resolve()
  }
  const endpoints = new ScaledEndpoints({
    publishing: { start: ({ id }) => note(`open ${id}`), stop: ({ id }) => note(`close ${id}`) },
    pool: { resize: (threads) => note(`${threads} threads`) },
    maxThreads,
  })
  return { endpoints, steps }
}

const endpoint = (id: string, scaleUnits: number) => ({ id, scaleUnits }) as StreamingEndpoint
const { signal } = new AbortController()

describe('streaming endpoints that share the threads', () => {
  it('have as many as they ask for together, within what the node has, and one at least', async () => {
    const { endpoints, steps } = bench()
    expect(endpoints.wantedThreads).toBe(1)
    await endpoints.start(endpoint('a', 2), signal)
    await endpoints.start(endpoint('b', 3), signal)
    await endpoints.scale(endpoint('a', 4), signal)
    await endpoints.stop(endpoint('b', 3), signal)
    await endpoints.stop(endpoint('a', 4), signal)
    // There before anything is published, and gone when nothing is any more.
    expect(steps).toEqual([
      ...['2 threads', 'open a', '5 threads', 'open b', '6 threads'],
      ...['close b', '4 threads', 'close a', '1 threads'],
    ])
  })

  it('have all where one of them says no number', async () => {
    const { endpoints } = bench()
    await endpoints.start(endpoint('a', 1), signal)
    await endpoints.start(endpoint('b', 0), signal)
    expect(endpoints.wantedThreads).toBe(6)
    await endpoints.scale(endpoint('b', 1), signal)
    expect(endpoints.wantedThreads).toBe(2)
  })

  it('wait for threads no longer than somebody waits for that', async () => {
    const endpoints = new ScaledEndpoints({
      publishing: { start: () => Promise.resolve(), stop: () => Promise.resolve() },
      pool: { resize: () => new Promise(() => undefined) },
      maxThreads: 2,
    })
    const leaving = new AbortController()
    const scaling = endpoints.scale(endpoint('a', 2), leaving.signal)
    leaving.abort()
    await expect(scaling).rejects.toBe(leaving.signal.reason)
  })
})
