import { randomInt } from 'node:crypto'
import { Agent, request as httpRequest } from 'node:http'
import fc from 'fast-check'
import { expect } from 'vitest'
import { ChangeSet } from '../../src/domain/change-set.ts'
import { messageOf } from '../../src/lib/errors.ts'
import type { TestApi } from '../http/api-harness.ts'
import { type JsonSchema, mutated, nastyJson, nastyText, valuesOf } from './schema-values.ts'

type Parameter = {
  readonly $ref?: string
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly schema: JsonSchema
}
type Operation = {
  readonly operationId: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> }
}
type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>
    readonly parameters: Readonly<Record<string, Parameter>>
  }
}
type Case = {
  readonly method: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | undefined
}

/** What came of it: how often each operation answered with each class of status. */
export type FuzzCount = {
  readonly cases: number
  readonly good: number
  readonly operations: ReadonlyMap<string, ReadonlySet<number>>
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete']
/** A wait would only make it slow. */
const HELD_BACK = new Set(['wait'])

/**
 * Asks every route in turn for what it admits, for what it nearly admits and for garbage: nothing may answer 500, or as nothing
 * documented. By turns, not by chance: every route is asked equally often. What fails says with which `seed` and `from` it is the first
 * that is asked; where it takes what was made before it, `from` is 0.
 */
export async function fuzzApi(
  api: TestApi,
  options: { readonly cases: number; readonly seed?: number; readonly from?: number },
): Promise<FuzzCount> {
  const document = api.document as unknown as Document
  const keys = { system: api.systemKey, admin: await api.newKey('admin'), viewer: await api.newKey('viewer') }
  const owners = new Owners()
  const ids = await seedEntities(api, owners)
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => (item[method] ? [{ method, path, operation: item[method] }] : [])),
  )
  const count = { cases: 0, good: 0 }
  const ask = async (given: Case): Promise<void> => {
    const answer = await send(api.url, given, agent)
    count.cases += 1
    if (answer.status < 300) count.good += 1
    const id = /"id":"([^"]+)"/.exec(answer.text)?.[1]
    if ((answer.status === 201 || answer.status === 202) && id !== undefined) ids.push(id)
    owners.note(answer.text)
    const asked = `${given.method} ${given.target} ${String(given.body).slice(0, 500)}`
    expect(answer.status, `${asked} → ${answer.text}`).toBeLessThan(500)
    api.check.assertDocumented(given.method, given.target, answer)
  }
  const properties = operations.map((entry) =>
    fc.asyncProperty(caseOf(entry, document, api.account.id, keys, { ids, owners }), ask),
  )
  const { cases, seed = randomInt(2 ** 31), from = 0 } = options
  try {
    for (let at = from; at < from + cases; at += 1) {
      const property = properties[at % properties.length]
      if (!property) continue
      try {
        await fc.assert(property, { numRuns: 1, endOnFailure: true, seed: seed + at })
      } catch (cause) {
        const again = `fuzzApi(api, { cases: 1, seed: ${seed}, from: ${at} }), or all before it too with cases: ${at + 1}, from: 0`
        throw new Error(`To be asked again by ${again}: ${messageOf(cause)}`, { cause })
      }
    }
  } finally {
    agent.destroy()
  }
  return { ...count, operations: api.check.seen }
}

/** Which asset a file belongs to, as answers have told: a path that names both rarely fits by chance. */
class Owners {
  readonly #assets = new Map<string, string>()

  note(text: string): void {
    const [file] = /"af_\w{22}"/.exec(text) ?? []
    const [, asset] = /"assetId":"(\w+)"/.exec(text) ?? []
    if (file !== undefined && asset !== undefined) this.#assets.set(file.slice(1, -1), asset)
  }

  aligned(params: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const assetId = this.#assets.get(params['fileId'] ?? '')
    return assetId === undefined ? params : { ...params, assetId }
  }
}

/** Something of every kind, for paths and bodies to name. */
async function seedEntities(api: TestApi, owners: Owners): Promise<string[]> {
  const made: string[] = [api.account.id]
  const asked = { key: api.systemKey, account: api.account.id }
  const post = async (path: string, body: object) => {
    const { status, json, text } = await api.call('POST', path, { ...asked, body })
    owners.note(text)
    expect(status, path).toBe(201)
    made.push(json.id)
    return json.id as string
  }
  for (const name of ['one', 'two']) {
    const assetId = await post('/v1/assets', { name })
    await post('/v1/locators', { assetId })
    await post(`/v1/assets/${assetId}/files`, { name: 'film.mp4' })
    const channelId = await post('/v1/channels', { name })
    await post('/v1/programs', { name, channelId })
    await runChannel(api, channelId)
    await post('/v1/storage-accounts', { name })
    await post('/v1/credentials', { name, role: 'viewer' })
  }
  for (const path of ['/v1/streaming-endpoints', '/v1/storage-accounts']) {
    const { json } = await api.call('GET', path, asked)
    made.push(...json.items.map(({ id }: { id: string }) => id))
  }
  return made
}

/** Nothing runs here; what is only done to a channel that runs is to be reached all the same. */
async function runChannel(api: TestApi, id: string): Promise<void> {
  const channel = await api.repository.get('channel', id, api.account.id)
  const changes = new ChangeSet()
  changes.update('channel', { ...channel, state: 'Running', desiredState: 'Running' })
  await api.repository.commit(changes)
}

function caseOf(
  { method, path, operation }: { method: string; path: string; operation: Operation },
  document: Document,
  accountId: string,
  keys: Readonly<Record<string, string>>,
  { ids, owners }: { readonly ids: readonly string[]; readonly owners: Owners },
): fc.Arbitrary<Case> {
  const { schemas, parameters: named } = document.components
  const parameters = (operation.parameters ?? []).map(
    (one) => (one.$ref ? named[one.$ref.split('/').at(-1) ?? ''] : one) ?? one,
  )
  const values = (one: Parameter) =>
    fc.oneof({ weight: 8, arbitrary: valuesOf(one.schema, schemas, ids).map(String) }, nastyText)
  const inPath: fc.Arbitrary<Record<string, string>> = fc.record(
    Object.fromEntries(parameters.filter((one) => one.in === 'path').map((one) => [one.name, values(one)])),
  )
  const inQuery = parameters.filter((one) => one.in === 'query' && !HELD_BACK.has(one.name))
  const query = fc.record(Object.fromEntries(inQuery.map((one) => [one.name, values(one)])), { requiredKeys: [] })
  const strange = once(12, fc.tuple(fc.constantFrom('limit', 'force', 'x', '__proto__', 'cursor'), nastyText))
  return fc
    .record({
      inPath,
      isOwn: fc.boolean(),
      query,
      strange,
      headers: headersOf(parameters, accountId, keys),
      body: bodyOf(operation, schemas, ids),
    })
    .map(({ inPath: given, isOwn, query: asked, strange: added, headers, body }) => {
      const params = isOwn ? owners.aligned(given) : given
      const filled = path.replaceAll(/\{(\w+)\}/g, (_match, name: string) => encode(params[name] ?? ''))
      const pairs = [...Object.entries(asked), ...(added ? [added] : [])].map(
        ([name, value]) => `${encode(name)}=${encode(value ?? '')}`,
      )
      const target = pairs.length > 0 ? `${filled}?${pairs.join('&')}` : filled
      return { method: method.toUpperCase(), target, headers: { ...headers, ...body.headers }, body: body.bytes }
    })
}

/** Once in so many times, else nothing. */
function once<T>(times: number, values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: times - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: values })
}

/** Text as a URL carries it; what has no UTF-8 goes as bytes that are none either. */
function encode(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : '%ED%A0%80'
}

/** Header text that `node:http` lets through. */
const headerText = nastyText.map((text: string) => text.replaceAll(/[^\x20-\x7e\xa0-\xff]/g, '').slice(0, 1_000))

function headersOf(parameters: readonly Parameter[], accountId: string, keys: Readonly<Record<string, string>>) {
  const { system = '', admin = '', viewer = '' } = keys
  const bearer = (key: string) => ({ Authorization: `Bearer ${key}` })
  const who = fc.oneof(
    { weight: 12, arbitrary: fc.constant({ ...bearer(system), 'Headend-Account': accountId }) },
    { weight: 2, arbitrary: fc.constant(bearer(system)) },
    { weight: 3, arbitrary: fc.constant(bearer(admin)) },
    { weight: 1, arbitrary: fc.constant(bearer(viewer)) },
    { weight: 1, arbitrary: headerText.map((text) => ({ Authorization: text, 'Headend-Account': text })) },
    { weight: 1, arbitrary: fc.constant({}) },
  )
  const names = parameters.filter((one) => one.in === 'header' && one.name !== 'Headend-Account').map((one) => one.name)
  const likely = fc.constantFrom('"1"', '"2"', '*', 'W/"1"', 'bytes=0-', 'bytes=-5', 'bytes=5-2', 'key-1', 'key-2')
  const others = fc.record(Object.fromEntries(names.map((name) => [name, once(8, fc.oneof(likely, headerText))])))
  return fc.tuple(who, others).map(([credential, rest]) => {
    const given = Object.entries(rest).filter((pair): pair is [string, string] => pair[1] !== undefined)
    return { ...credential, ...Object.fromEntries(given) } as Record<string, string>
  })
}

type Body = { readonly headers: Record<string, string>; readonly bytes: string | Uint8Array | undefined }

function bodyOf(
  operation: Operation,
  schemas: Document['components']['schemas'],
  ids: readonly string[],
): fc.Arbitrary<Body> {
  const json = (value: unknown): Body => ({
    headers: { 'Content-Type': 'application/json' },
    bytes: JSON.stringify(value),
  })
  const none = fc.constant<Body>({ headers: {}, bytes: undefined })
  const schema = operation.requestBody?.content['application/json']?.schema
  const types = fc.constantFrom(
    'application/json',
    'text/plain',
    'application/json; charset=latin1',
    'x',
    'application/x-www-form-urlencoded',
  )
  const garbage = fc
    .tuple(types, fc.oneof(nastyText, fc.constantFrom('{', '[1,', '"', '{"a":1}x', '[]'.repeat(50_000))))
    .map(([type, bytes]): Body => ({ headers: { 'Content-Type': type }, bytes }))
  if (!schema) {
    const bytes = fc.uint8Array({ maxLength: 2_000 }).map((content): Body => ({ headers: {}, bytes: content }))
    return operation.requestBody
      ? fc.oneof({ weight: 6, arbitrary: bytes }, none)
      : fc.oneof({ weight: 12, arbitrary: none }, garbage)
  }
  const valid = valuesOf(schema, schemas, ids)
  return fc.oneof(
    { weight: 10, arbitrary: valid.map(json) },
    { weight: 5, arbitrary: valid.chain(mutated).map(json) },
    { weight: 2, arbitrary: nastyJson.map(json) },
    { weight: 1, arbitrary: garbage },
    { weight: 1, arbitrary: none },
  )
}

function send(url: string, { method, target, headers, body }: Case, agent: Agent) {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number
    headers: Pick<Headers, 'get'>
    text: string
  }>()
  const { hostname, port } = new URL(url)
  const bytes = body === undefined ? undefined : Buffer.from(body as string)
  const length = bytes ? { 'Content-Length': String(bytes.byteLength) } : {}
  httpRequest({ host: hostname, port, method, path: target, headers: { ...headers, ...length }, agent }, (response) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('error', reject)
    response.on('end', () => {
      const get = (name: string) => {
        const value = response.headers[name.toLowerCase()]
        return value === undefined ? null : String(value)
      }
      resolve({ status: response.statusCode ?? 0, headers: { get }, text: Buffer.concat(chunks).toString() })
    })
  })
    .on('error', reject)
    .end(bytes)
  return promise
}
