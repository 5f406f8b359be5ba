import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Router } from 'express'
import { afterEach } from 'vitest'
import { type ApiDeps, apiRoutes } from '../../src/api/api-routes.ts'
import { ensureFirstCredentials } from '../../src/api/auth/first-credentials.ts'
import { type Auth, type AuthOptions, openAuth } from '../../src/api/auth/open-auth.ts'
import { createHttp1App } from '../../src/api/http2-bridge.ts'
import { openApiDocument } from '../../src/api/openapi.ts'
import { problemHandler, unknownUrl } from '../../src/api/problem.ts'
import { restRouter } from '../../src/api/rest/rest-router.ts'
import type { Route } from '../../src/api/rest/route.ts'
import type { Account } from '../../src/domain/account.ts'
import type { EntityStore, Store } from '../../src/domain/entity-store.ts'
import { Repository } from '../../src/domain/repository.ts'
import { plainSecrets } from '../../src/domain/stored-secret.ts'
import { ContentKeys } from '../../src/keys/content-keys.ts'
import { localKeyProvider } from '../../src/keys/key-provider.ts'
import { MasterKeys } from '../../src/keys/master-keys.ts'
import type { MasterKeySource } from '../../src/keys/ports.ts'
import { StorageKeys } from '../../src/keys/storage-keys.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { AssetStorages } from '../../src/roles/asset-storage.ts'
import { MediaStorage, type MediaStorageOptions } from '../../src/storage/media-storage.ts'
import { StorageJanitor } from '../../src/storage/storage-janitor.ts'
import { UsageMeter } from '../../src/storage/usage-meter.ts'
import { openStore } from '../../src/store/open-store.ts'
import { OpenApiCheck } from '../support/openapi-check.ts'

/** How a request is made: `key` is an API key or token, `account` the one that it picks. */
export type CallOptions = {
  readonly key?: string | undefined
  readonly account?: string
  /** Sent as JSON, unless it is text or bytes. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** What came back. */
export type ApiAnswer = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body where it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
  readonly json: any
}

/** The API as it runs, over a store of its own. */
export type TestApi = {
  readonly url: string
  readonly store: Store
  readonly repository: Repository
  readonly auth: Auth
  readonly janitor: StorageJanitor
  readonly contentKeys: ContentKeys
  readonly check: OpenApiCheck
  /** The OpenAPI document of the routes. */
  readonly document: Readonly<Record<string, unknown>>
  /** Where the storage accounts are. */
  readonly mediaDir: string
  readonly routes: readonly Route[]
  /** The API key of `system`. */
  readonly systemKey: string
  /** The default account. */
  readonly account: Account
  /** Every answer is held against the OpenAPI document. */
  call(method: string, path: string, options?: CallOptions): Promise<ApiAnswer>
  /** The API key of a new credential in an account (the default one where none is given). */
  newKey(role: 'admin' | 'operator' | 'viewer', accountId?: string): Promise<string>
  /** A new account. */
  newAccount(name: string): Promise<Account>
  stop(): Promise<void>
}

/** What a test may replace. */
export type ApiOverrides = {
  readonly clock?: Clock
  readonly auth?: Partial<AuthOptions>
  readonly deps?: Partial<ApiDeps>
  /** Buckets are tried before they are taken, as far as these options allow; without options they are refused unseen. */
  readonly media?: MediaStorageOptions
  /** None are configured unless given. */
  readonly masterKeys?: readonly MasterKeySource[]
  /** What the API sees of the store, such as one that fails. */
  readonly seeStore?: (store: EntityStore) => EntityStore
  readonly operationId?: (operationId: string, status: number) => void
}

const generous: AuthOptions = {
  tokenLifetimeMs: 900_000,
  sessionLifetimeMs: 43_200_000,
  failuresPerAddress: 1_000,
  failuresPerCredential: 1_000,
  failureWindowMs: 900_000,
  lockOutMs: 900_000,
  requestsPerCredential: 1_000_000,
  requestWindowMs: 10_000,
}

const running: TestApi[] = []

/** To be called once in a test file: stops, after each test, what it has started. */
export function stopApisAfterEach(): void {
  afterEach(async () => {
    await Promise.all(running.splice(0).map((api) => api.stop()))
  })
}

/** By the operations that it describes: to make one takes longer than most tests. */
const DOCUMENTS = new Map<string, Readonly<Record<string, unknown>>>()

function documentOf(routes: readonly Route[]): Readonly<Record<string, unknown>> {
  const operations = routes.map(({ operationId }) => operationId).join(' ')
  const document = DOCUMENTS.get(operations) ?? JSON.parse(JSON.stringify(openApiDocument(routes, '0.0.0')))
  DOCUMENTS.set(operations, document)
  return document
}

/** Starts the API over HTTP and SQLite, with the first credentials made. Limits are wide unless given. */
export async function startApi(overrides: ApiOverrides = {}): Promise<TestApi> {
  const { clock = systemClock } = overrides
  const folder = mkdtempSync(join(tmpdir(), 'headend-api-'))
  const ports = { clock, logger: silentLogger }
  const opened = await openStore({ url: `sqlite:${join(folder, 'store.db')}` }, ports)
  const store = overrides.seeStore?.(opened) ?? opened
  const repository = new Repository(store)
  let kept: string | undefined
  const keyFile = {
    read: async () => kept,
    async write(text: string) {
      kept = text
    },
  }
  const shared = { ...ports, random: randomBytes }
  const media = new MediaStorage(join(folder, 'media'), overrides.media)
  const usage = new UsageMeter({ storage: media, clock })
  const janitor = new StorageJanitor({ ...ports, repository, storage: media })
  const first = await ensureFirstCredentials({ ...shared, repository: new Repository(opened), keyFile })
  const auth = openAuth({ ...generous, ...overrides.auth }, { ...shared, store, signingKey: randomBytes(32) })
  const masterKeys = new MasterKeys(overrides.masterKeys ?? [], { clock, environment: process.env })
  const storageKeys = new StorageKeys({ repository, masterKeys, random: randomBytes })
  const provider = localKeyProvider(randomBytes)
  const contentKeys = new ContentKeys({ masterKeys, provider, random: randomBytes })
  const assetStorages = new AssetStorages({ repository, media, keys: storageKeys })
  const checkStorage: ApiDeps['checkStorage'] = async (place, call) => {
    if (overrides.media) return media.check(place, call)
    if (place.kind === 's3') throw new AppError('STORAGE_REFUSED', 'A test without buckets has none.')
  }
  const clips = { nudge: () => undefined }
  const own = {
    clips,
    assetStorages,
    contentKeys,
    storageKeys,
    storageTasks: janitor,
    records: store,
    checkStorage,
    usage,
  }
  const routes = apiRoutes(apiDeps(repository, clock, auth, { ...own, ...overrides.deps }))
  const observer = { served: (id: string, status: number) => overrides.operationId?.(id, status) }
  const router = Router()
  router.use(restRouter(routes, { ...ports, store, callers: auth.callers, observer }), unknownUrl)
  router.use(problemHandler(silentLogger))
  const server = createServer(createHttp1App(router))
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1' }, resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const document = documentOf(routes)
  const check = new OpenApiCheck(document)
  const call = async (method: string, path: string, options?: CallOptions) => {
    const answer = await callApi(`${url}${path}`, method, options)
    check.assertDocumented(method, path, answer)
    return answer
  }
  const systemKey = first.systemApiKey ?? ''
  let keys = 0
  const api: TestApi = {
    url,
    store: opened,
    repository: new Repository(opened),
    auth,
    janitor,
    contentKeys,
    check,
    document,
    mediaDir: join(folder, 'media'),
    routes,
    systemKey,
    account: first.account,
    call,
    async newKey(role, accountId = first.account.id) {
      keys += 1
      const body = { name: `${role}-${keys}`, role }
      const made = await call('POST', '/v1/credentials', { key: systemKey, account: accountId, body })
      if (made.status !== 201) throw new Error(`no credential was made: ${made.text}`)
      return made.json.apiKey
    },
    async newAccount(name) {
      const made = await call('POST', '/v1/accounts', { key: systemKey, body: { name } })
      if (made.status !== 201) throw new Error(`no account was made: ${made.text}`)
      return made.json
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await janitor.stop()
      await usage.stop()
      await media.stop()
      await masterKeys.stop()
      await opened.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  running.push(api)
  return api
}

/** The parts that only a whole node has, as a node on which nothing runs would answer. */
function apiDeps(
  repository: Repository,
  clock: Clock,
  auth: Auth,
  given: Partial<ApiDeps> &
    Pick<
      ApiDeps,
      'clips' | 'assetStorages' | 'contentKeys' | 'storageKeys' | 'storageTasks' | 'records' | 'checkStorage' | 'usage'
    >,
): ApiDeps {
  return {
    repository,
    clock,
    auth,
    random: randomBytes,
    operations: { wait: async (operation) => operation },
    channels: { health: () => undefined, inputs: () => [] },
    addresses: {
      rtmpUrl: 'rtmp://localhost:1935/live',
      rtmpsUrl: undefined,
      streamingUrl: (path, host = 'localhost') => `http://${host.split(':')[0]}:8088${path}`,
    },
    secrets: plainSecrets,
    maxUploadBytes: 64 * 1_048_576,
    allowPrivateTargets: false,
    publications: { withdrawn: async () => undefined },
    keyDoors: { changed: async () => undefined },
    ...given,
  }
}

async function callApi(url: string, method: string, options: CallOptions = {}): Promise<ApiAnswer> {
  const { key, account, body, headers } = options
  const isRaw = typeof body === 'string' || body instanceof Uint8Array
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    headers: {
      ...(key !== undefined && { Authorization: `Bearer ${key}` }),
      ...(account !== undefined && { 'Headend-Account': account }),
      ...(body !== undefined && !isRaw && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: isRaw ? (body as string) : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('Content-Type')?.includes('json') ?? false
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson && text !== '' ? JSON.parse(text) : undefined,
  }
}
