import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { contentKeyCreateSchema } from '../../../src/domain/content-key.ts'
import { deliveriesOf, deliveryPolicyCreateSchema } from '../../../src/domain/delivery-policy.ts'
import { filterCreateSchema, filterSchema } from '../../../src/domain/filter.ts'
import { chooseFilters, parseBitrateRange } from '../../../src/domain/filter-choice.ts'
import { type JobState, jobCreateSchema, jobStateOf, newJob } from '../../../src/domain/job.ts'
import { keyAuthorizationPolicyCreateSchema } from '../../../src/domain/key-authorization-policy.ts'
import { newId } from '../../../src/domain/kinds.ts'
import { mediaStreamCreateSchema, newMediaStream } from '../../../src/domain/media-stream.ts'
import { readyTasks } from '../../../src/domain/task.ts'

const accountId = newId('account', randomBytes)
const assetId = newId('asset', randomBytes)
const times = { created: '2026-11-02T20:15:00Z', lastModified: '2026-11-02T20:15:00Z', etag: '1' }
const refused = (code: string) => expect.objectContaining({ code })

describe('a delivery policy', () => {
  const policy = (protocols: object) => deliveryPolicyCreateSchema.parse({ name: 'x', protocols })

  it('is what stands between: without one everything is clear, with one what it does not list is blocked', () => {
    for (const protocol of ['hls', 'dash', 'smooth', 'progressive'] as const) {
      expect(deliveriesOf(undefined, protocol)).toEqual(['clear'])
      expect(deliveriesOf(policy({}), protocol)).toEqual([])
    }
    const some = policy({ hls: ['cbcs', 'envelope'], dash: ['clear'], smooth: 'blocked' })
    expect(deliveriesOf(some, 'hls')).toEqual(['cbcs', 'envelope'])
    expect(deliveriesOf(some, 'dash')).toEqual(['clear'])
    expect(deliveriesOf(some, 'smooth')).toEqual([])
    expect(deliveriesOf(some, 'progressive')).toEqual([])
  })

  it.each([
    [{ smooth: ['cbcs'] }],
    [{ progressive: ['cenc'] }],
    [{ hls: [] }],
    [{ hls: ['none'] }],
    [{ rtsp: ['clear'] }],
  ])('has no %j', (protocols) => expect(() => policy(protocols)).toThrow())
})

describe('a key authorisation policy', () => {
  const accepts = (restriction: object) =>
    keyAuthorizationPolicyCreateSchema.safeParse({ name: 'x', options: [{ delivery: 'aes128', restriction }] }).success
  const token = { kind: 'token', issuer: 'https://issuer', audience: 'me' }
  const symmetric = { kind: 'symmetric', value: Buffer.alloc(32).toString('base64') }

  it('verifies tokens with a key or with where to get one', () => {
    expect(accepts({ ...token, primaryKey: symmetric, alternateKeys: [symmetric] })).toBe(true)
    expect(accepts({ ...token, jwksUrl: 'https://issuer/jwks' })).toBe(true)
    expect(accepts({ ...token, openIdDiscoveryUrl: 'https://issuer/.well-known/openid-configuration' })).toBe(true)
    expect(accepts(token)).toBe(false)
    expect(accepts({ ...token, primaryKey: { kind: 'symmetric', value: 'short' } })).toBe(false)
    expect(accepts({ kind: 'open' })).toBe(true)
    expect(accepts({ kind: 'open', issuer: 'x' })).toBe(false)
    expect(accepts({ kind: 'ip', allowIp: [] })).toBe(false)
    expect(keyAuthorizationPolicyCreateSchema.safeParse({ name: 'x', options: [] }).success).toBe(false)
  })
})

describe('a content key', () => {
  it('has 16 bytes, and one for storage is never given', () => {
    const accepts = (value: object) => contentKeyCreateSchema.safeParse(value).success
    const value = Buffer.alloc(16).toString('base64')
    expect(accepts({ kind: 'cbcs', value })).toBe(true)
    expect(accepts({ kind: 'cbcs', value: Buffer.alloc(15).toString('base64') })).toBe(false)
    expect(accepts({ kind: 'storage', value })).toBe(false)
    expect(accepts({ kind: 'storage' })).toBe(false)
    expect(accepts({ kind: 'cenc', id: 'not a guid' })).toBe(false)
  })
})

describe('filters', () => {
  const filter = (name: string, of?: typeof assetId) => {
    const id = newId('filter', randomBytes)
    const given = filterCreateSchema.parse({ name, ...(of && { assetId: of }) })
    return filterSchema.parse({ id, accountId, ...times, ...given })
  }
  const other = newId('asset', randomBytes)
  const all = [filter('a'), filter('b', assetId), filter('a', assetId), filter('c', other), filter('d')]

  it('of the asset go before the account’s, and another asset’s are none', () => {
    expect(chooseFilters(['a', 'b', 'd'], assetId, all).map(({ id }) => id)).toEqual([
      all[2]?.id,
      all[1]?.id,
      all[4]?.id,
    ])
    expect(chooseFilters(['a'], other, all)[0]?.id).toBe(all[0]?.id)
    expect(() => chooseFilters(['c'], assetId, all)).toThrow(refused('ENTITY_NOT_FOUND'))
    expect(chooseFilters([], assetId, all)).toEqual([])
  })

  it('are at most three in a URL, told twice counts once', () => {
    const many = ['a', 'b', 'c', 'd'].map((name) => filter(name))
    expect(chooseFilters(['a', 'b', 'c', 'a'], assetId, many).length).toBe(3)
    expect(() => chooseFilters(['a', 'b', 'c', 'd'], assetId, many)).toThrow(refused('URL_INVALID'))
  })

  it('select by bitrate in ranges', () => {
    expect(parseBitrateRange('0-1500000')).toEqual({ from: 0, to: 1_500_000 })
    expect(parseBitrateRange('3000000-')).toEqual({ from: 3_000_000, to: Number.POSITIVE_INFINITY })
    expect(parseBitrateRange('5')).toEqual({ from: 5, to: 5 })
    for (const text of ['', '-', '-5', '5-4', 'x', '1.5', '1-2-3']) expect(parseBitrateRange(text)).toBeUndefined()
  })

  it.each([
    [{ tracks: [[{ property: 'bitrate', value: 'high' }]] }],
    [{ tracks: [[{ property: 'type', value: 'picture' }]] }],
    [{ tracks: [[]] }],
    [{ timeRange: { start: 'PT10S', end: 'PT10S' } }],
    [{ timeRange: { presentationWindow: 'PT59S' } }],
    [{ firstQuality: 0 }],
  ])('are not made of %j', (given) => {
    expect(filterCreateSchema.safeParse({ name: 'x', ...given }).success).toBe(false)
  })
})

describe('a job', () => {
  const task = (inputs: readonly object[], outputs = 1) => ({
    processor: 'encoder',
    inputs,
    outputs: Array.from({ length: outputs }, (_, index) => ({ assetName: `out${index}` })),
  })
  const pointers = (...tasks: object[]) =>
    jobCreateSchema.safeParse({ name: 'x', tasks }).error?.issues.map(({ path }) => path.join('/'))

  it('chains its tasks forward through outputs that there are', () => {
    expect(pointers(task([{ assetId }], 2), task([{ task: 0 }, { task: 0, output: 1 }]))).toBeUndefined()
    expect(pointers(task([{ task: 0 }]))).toEqual(['tasks/0/inputs/0'])
    expect(pointers(task([{ task: 1 }]), task([{ assetId }]))).toEqual(['tasks/0/inputs/0'])
    expect(pointers(task([{ assetId }]), task([{ assetId }, { task: 0, output: 1 }]))).toEqual(['tasks/1/inputs/1'])
    expect(pointers()).toEqual(['tasks'])
  })

  it('is Queued when new', () => {
    const { tasks: _, ...given } = jobCreateSchema.parse({ name: 'x', tasks: [task([{ assetId }])] })
    const taskIds = [newId('task', randomBytes)]
    expect(newJob(given, taskIds, accountId, randomBytes)).toMatchObject({
      state: 'Queued',
      progress: 0,
      priority: 50,
      taskIds,
    })
  })

  it('lets a task begin when all that it takes is done', () => {
    const at = (index: number, state: JobState, ...from: number[]) => ({
      index,
      state,
      inputs: from.length === 0 ? [{ assetId }] : from.map((from) => ({ task: from, output: 0 })),
    })
    const tasks = [at(0, 'Finished'), at(1, 'Processing'), at(2, 'Queued', 0), at(3, 'Queued', 0, 1), at(4, 'Queued')]
    expect(readyTasks(tasks.map((entry) => ({ ...entry, state: entry.state as 'Queued' })))).toEqual([2, 4])
  })

  it.each<[JobState, JobState[]]>([
    ['Queued', ['Queued', 'Queued']],
    ['Scheduled', ['Scheduled', 'Queued']],
    ['Processing', ['Processing', 'Queued']],
    ['Processing', ['Finished', 'Queued']],
    ['Processing', ['Error', 'Processing']],
    ['Canceling', ['Canceling', 'Processing']],
    ['Finished', ['Finished', 'Finished']],
    ['Error', ['Finished', 'Error', 'Canceled']],
    ['Canceled', ['Finished', 'Canceled']],
  ])('is %s when its tasks are %j', (expected, tasks) => expect(jobStateOf(tasks)).toBe(expected))
})

describe('a media stream', () => {
  it('is Idle when new, with few outputs', () => {
    const parse = (outputs: object) => mediaStreamCreateSchema.parse({ name: 'x', outputs })
    expect(newMediaStream(parse({ main: {} }), accountId, randomBytes)).toMatchObject({
      streamState: 'Idle',
      outputs: { main: { enabled: true } },
    })
    expect(() => parse(Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`o${index}`, {}])))).toThrow()
    expect(() => parse({ main: { relay: { url: 'http://example.com' } } })).toThrow()
  })
})
