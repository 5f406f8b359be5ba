import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Channel,
  channelCreateSchema,
  channelDurations,
  channelPatchSchema,
  channelSchema,
  newChannel,
} from '../../../src/domain/channel.ts'
import {
  assertChannelChange,
  channelFieldsOfStopped,
  deleteChannel,
  rotateStreamKeys,
  stopChannel,
} from '../../../src/domain/channel-rules.ts'
import { newId } from '../../../src/domain/kinds.ts'
import { applyMergePatch, patched } from '../../../src/domain/merge-patch.ts'

const accountId = newId('account', randomBytes)
const times = { created: '2026-11-02T20:15:00Z', lastModified: '2026-11-02T20:15:00Z', etag: '1' }
const made = newChannel(channelCreateSchema.parse({ name: 'main' }), accountId, randomBytes)

function channel(change: object = {}): Channel {
  return channelSchema.parse(applyMergePatch({ ...made, ...times }, change))
}
const refused = (code: string, details: object = {}) =>
  expect.objectContaining({ code, details: expect.objectContaining(details) })
const accepts = (value: unknown) => channelCreateSchema.safeParse(value).success

describe('a new channel', () => {
  it('is Stopped, meant to be so, with keys and a preview of its own', () => {
    expect(channel()).toMatchObject({
      name: 'main',
      state: 'Stopped',
      desiredState: 'Stopped',
      latency: 'normal',
      encoding: { kind: 'none', preset: '720p' },
      input: {
        protocol: 'rtmp',
        keyFrameInterval: 'PT2S',
        takeover: 'refuse',
        reconnectGrace: 'PT10M',
        returnAfter: 'PT30S',
      },
      preview: { allowIp: [] },
      tags: {},
    })
    expect(channel().input.allowIp).toBeUndefined()
    expect(made.streamKeys.primary).toMatch(/^[\w-]{24}$/)
    expect(made.streamKeys.secondary).not.toBe(made.streamKeys.primary)
    expect(made.previewLocatorId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it('takes keys of one’s own, safe in a URL', () => {
    const given = channelCreateSchema.parse({ name: 'x', streamKeys: { primary: 'my-own-key' } })
    const keys = newChannel(given, accountId, randomBytes).streamKeys
    expect(keys.primary).toBe('my-own-key')
    expect(keys.secondary).toMatch(/^[\w-]{24}$/)
    for (const key of ['short', 'with space', 'with/slash', 'x'.repeat(129)]) {
      expect(accepts({ name: 'x', streamKeys: { primary: key } })).toBe(false)
    }
  })

  it('has the durations of its latency unless they are set', () => {
    expect(channelDurations(channel())).toEqual({ segmentDurationMs: 6_000, partDurationMs: undefined })
    expect(channelDurations(channel({ latency: 'low' }))).toEqual({ segmentDurationMs: 4_000, partDurationMs: 500 })
    expect(channelDurations(channel({ output: { segmentDuration: 'PT2S', partDuration: 'PT0.2S' } }))).toEqual({
      segmentDurationMs: 2_000,
      partDurationMs: 200,
    })
  })

  it.each([
    [{}],
    [{ name: 'x', state: 'Running' }],
    [{ name: 'x', id: 'ch_1' }],
    [{ name: 'x', input: { protocol: 'srt' } }],
    [{ name: 'x', input: { protocol: 'rtmp', url: 'rtmp://mine' } }],
    [{ name: 'x', encoding: { kind: 'standard', preset: '../etc/passwd' } }],
    [{ name: 'x', output: { segmentDuration: 'PT0.4S' } }],
    [{ name: 'x', output: { segmentDuration: 'PT1S', partDuration: 'PT2S' } }],
    [{ name: 'x', latency: 'low', output: { partDuration: 'PT5S' } }],
    [{ name: 'x', idleStopAfter: 'PT59S' }],
    [{ name: 'x', input: { allowIp: ['everybody'] } }],
  ])('is not made of %j', (value) => expect(accepts(value)).toBe(false))

  it('is never made of noise, nor does noise get past with an error of another kind', () => {
    fc.assert(
      fc.property(fc.anything(), (noise) => {
        expect(channelCreateSchema.safeParse(noise).success).toBe(false)
        expect(() => channelPatchSchema.safeParse(noise)).not.toThrow()
      }),
    )
  })
})

describe('a change of a channel', () => {
  const running = channel({ state: 'Running' })

  it.each([
    ['/input/protocol', { input: { keyFrameInterval: 'PT2S' } }, false],
    ['/input/keyFrameInterval', { input: { keyFrameInterval: 'PT1S' } }, true],
    ['/encoding', { encoding: { kind: 'standard' } }, true],
    ['/latency', { latency: 'low' }, true],
    ['/output', { output: { segmentDuration: 'PT2S' } }, true],
    ['', { input: { allowIp: [] }, description: 'x', tags: { a: 'b' }, preview: { allowIp: ['192.0.2.1'] } }, false],
    ['', { input: { takeover: 'replace', reconnectGrace: 'PT1M' }, idleStopAfter: 'PT1H' }, false],
  ])('%s, of a running one', (pointer, patch, isLocked) => {
    for (const state of ['Starting', 'Running', 'Stopping'] as const) {
      const current = channel({ state })
      const next = patched(channelSchema, channelPatchSchema, current, patch)
      if (isLocked) {
        const problems = [expect.objectContaining({ pointer })]
        expect(() => assertChannelChange(current, next)).toThrow(refused('STATE_CONFLICT', { state, problems }))
        expect(channelFieldsOfStopped).toContain(pointer)
      } else expect(() => assertChannelChange(current, next)).not.toThrow()
    }
    const stopped = channel()
    expect(() => assertChannelChange(stopped, patched(channelSchema, channelPatchSchema, stopped, patch))).not.toThrow()
  })

  it('of the protocol is locked while it runs', () => {
    const other = { ...running, input: { ...running.input, protocol: 'srt' } } as unknown as Channel
    expect(() => assertChannelChange(running, other)).toThrow(refused('STATE_CONFLICT'))
    expect(() => assertChannelChange({ ...running, state: 'Stopped' }, other)).not.toThrow()
  })

  it('is refused while it is deleted', () => {
    const deleting = channel({ state: 'Deleting' })
    expect(() => assertChannelChange(deleting, deleting)).toThrow(refused('STATE_CONFLICT'))
  })

  it.each([[{ streamKeys: { primary: 'another-key' } }], [{ state: 'Running' }], [{ id: 'x' }], [{ etag: 'x' }]])(
    'can’t be %j',
    (patch) => {
      expect(() => patched(channelSchema, channelPatchSchema, running, patch)).toThrow(refused('ENTITY_INVALID'))
    },
  )

  it('takes null for what has a default or may be absent', () => {
    const set = channel({
      input: { allowIp: [], keyFrameInterval: 'PT1S' },
      description: 'x',
      preview: { allowIp: ['192.0.2.1'] },
    })
    const next = patched(channelSchema, channelPatchSchema, set, { input: null, description: null, preview: null })
    expect(next.input).toEqual(channel().input)
    expect(next.preview).toEqual({ allowIp: [] })
    expect('description' in next).toBe(false)
  })
})

const program = (name: string, state: 'Stopped' | 'Running') => ({ id: newId('program', randomBytes), name, state })

describe('stopping and deleting a channel', () => {
  const running = channel({ state: 'Running' })
  const [news, film] = [program('news', 'Running'), program('film', 'Stopped')]

  it('needs all its programs stopped, or removes them', () => {
    expect(stopChannel(running, [film], false)).toEqual({ state: 'Stopping', remove: [] })
    expect(() => stopChannel(running, [news, film], false)).toThrow(
      refused('IN_USE', { by: [{ kind: 'program', id: news.id }] }),
    )
    expect(stopChannel(running, [news, film], true)).toEqual({ state: 'Stopping', remove: [news.id, film.id] })
    expect(() => stopChannel(channel(), [], true)).toThrow(refused('STATE_CONFLICT', { state: 'Stopped' }))
  })

  it('a running one only goes with force, one with programs too', () => {
    expect(deleteChannel(channel(), [], false)).toEqual({ state: 'Deleting', remove: [] })
    expect(() => deleteChannel(running, [], false)).toThrow(refused('STATE_CONFLICT'))
    expect(() => deleteChannel(channel(), [film], false)).toThrow(refused('IN_USE'))
    expect(deleteChannel(running, [news, film], true)).toEqual({ state: 'Deleting', remove: [news.id, film.id] })
  })
})

describe('rotating keys', () => {
  it('changes the one that was named, or both', () => {
    const current = channel({ state: 'Running' })
    const { primary, secondary } = current.streamKeys
    const first = rotateStreamKeys(current, 'primary', randomBytes)
    expect([first.primary === primary, first.secondary === secondary]).toEqual([false, true])
    const second = rotateStreamKeys(current, 'secondary', randomBytes)
    expect([second.primary === primary, second.secondary === secondary]).toEqual([true, false])
    const both = rotateStreamKeys(current, undefined, randomBytes)
    expect([both.primary === primary, both.secondary === secondary]).toEqual([false, false])
    expect(() => rotateStreamKeys(channel({ state: 'Deleting' }), undefined, randomBytes)).toThrow(
      refused('STATE_CONFLICT'),
    )
  })
})
