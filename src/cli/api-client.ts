import { randomUUID } from 'node:crypto'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Connection } from './connection.ts'

/** Anything that the API answers. */
export type Json = Readonly<Record<string, unknown>>

type Problem = { readonly detail?: string; readonly code?: string; readonly problems?: readonly Json[] }

/** The API refused, or could not be reached: a sentence for the person at the terminal. */
export class ApiError extends Error {
  readonly status: number | undefined
  readonly code: string | undefined

  constructor(message: string, status?: number, code?: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ApiError'
    this.status = status
    this.code = code
  }
}

const WAIT = '45s'

/** Headend's API as the commands use it. */
export class ApiClient {
  readonly #connection: Connection
  #account: Promise<string | undefined> | undefined

  constructor(connection: Connection) {
    this.#connection = connection
  }

  get url(): string {
    return this.#connection.url
  }

  get(path: string): Promise<Json> {
    return this.#call('GET', path)
  }

  post(path: string, body?: unknown): Promise<Json> {
    return this.#call('POST', path, body)
  }

  delete(path: string): Promise<Json> {
    return this.#call('DELETE', path)
  }

  /** Starts something that takes a while and awaits it. @throws ApiError where it failed, or isn't done after 45 s */
  async operate(method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<Json> {
    const joiner = path.includes('?') ? '&' : '?'
    const operation = await this.#call(method, `${path}${joiner}wait=${WAIT}`, body)
    const { state, error, id } = operation
    if (state === 'failed') throw new ApiError((error as Problem | undefined)?.detail ?? 'It failed.')
    if (state === 'pending' || state === 'running') {
      throw new ApiError(`It is still under way after ${WAIT}: operation ${id}.`)
    }
    return operation
  }

  /** Every item of a list, page by page. */
  async list(path: string): Promise<readonly Json[]> {
    const items: Json[] = []
    const joiner = path.includes('?') ? '&' : '?'
    let cursor: unknown
    do {
      const more = typeof cursor === 'string' ? `&cursor=${encodeURIComponent(cursor)}` : ''
      const page = await this.get(`${path}${joiner}limit=500${more}`)
      items.push(...(page['items'] as Json[]))
      cursor = page['nextCursor']
    } while (cursor !== undefined)
    return items
  }

  /** An entity by its id or its name. `what` is what it is called in a complaint. */
  async find(collection: string, idPrefix: string, nameOrId: string, what: string): Promise<Json> {
    if (nameOrId.startsWith(idPrefix)) return this.get(`${collection}/${encodeURIComponent(nameOrId)}`)
    const [found] = (await this.get(`${collection}?name=${encodeURIComponent(nameOrId)}`))['items'] as Json[]
    if (found) return found
    throw new ApiError(`There is no ${what} called ${nameOrId}.`, 404, 'ENTITY_NOT_FOUND')
  }

  /** What says who is calling, for a request of any kind. */
  async headers(): Promise<Record<string, string>> {
    this.#account ??= this.#pickAccount()
    const account = await this.#account
    return {
      authorization: `Bearer ${this.#connection.apiKey}`,
      ...(account !== undefined && { 'headend-account': account }),
    }
  }

  /** A `system` key acts in the account that is named, else in the one called `default`, else in the only one. */
  async #pickAccount(): Promise<string | undefined> {
    const wanted = this.#connection.account
    if (wanted?.startsWith('ac_')) return wanted
    const answer = await this.#send('GET', '/v1/accounts?limit=1000', {
      authorization: `Bearer ${this.#connection.apiKey}`,
    })
    // Any other credential has an account of its own.
    if (answer.status === 403 && wanted === undefined) return undefined
    if (answer.status !== 200) throw await refusal(answer)
    const accounts = ((await answer.json()) as { items: { id: string; name: string }[] }).items
    const found = accounts.find(({ name }) => name === (wanted ?? 'default'))
    if (found) return found.id
    if (wanted === undefined && accounts.length === 1) return accounts[0]?.id
    const names = accounts.map(({ name }) => name).join(', ')
    throw new ApiError(
      wanted === undefined ? `Which account? --account ${names}` : `There is no account ${wanted}; there are ${names}.`,
    )
  }

  async #call(method: string, path: string, body?: unknown): Promise<Json> {
    const headers = await this.headers()
    const posted = method === 'POST' ? { 'idempotency-key': randomUUID() } : {}
    const answer = await this.#send(method, path, { ...headers, ...posted }, body)
    if (!answer.ok) throw await refusal(answer)
    return answer.status === 204 ? {} : ((await answer.json()) as Json)
  }

  async #send(method: string, path: string, headers: Record<string, string>, body?: unknown): Promise<Response> {
    const content = body === undefined ? {} : { body: JSON.stringify(body) }
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    try {
      return await fetch(`${this.url}${path}`, { method, headers: { ...headers, ...type }, ...content })
    } catch (cause) {
      const reason = cause instanceof Error && cause.cause ? messageOf(cause.cause) : messageOf(cause)
      throw new ApiError(`Headend does not answer at ${this.url}: ${reason}`, undefined, undefined, cause)
    }
  }
}

async function refusal(answer: Response): Promise<Error> {
  const isProblem = answer.headers.get('content-type')?.startsWith('application/problem+json')
  if (!isProblem) return new ApiError(`${answer.url} answered ${answer.status}; is that Headend?`, answer.status)
  const { detail = answer.statusText, code, problems = [] } = (await answer.json()) as Problem
  if (code === 'UNAUTHENTICATED') return new ApiError(`Headend does not know this key. ${detail}`, answer.status, code)
  const where = problems.map(({ pointer, detail: what }) => `\n  ${pointer}: ${what}`).join('')
  return new ApiError(where === '' ? detail : `Headend did not take it:${where}`, answer.status, code)
}

/** Text of a duration as people write it (`30s`, `5m`, `4h`), in ISO 8601. @throws AppError `REQUEST_INVALID` */
export function isoDuration(text: string): string {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? []
  if (digits === undefined) {
    if (/^P/.test(text)) return text
    throw new AppError('REQUEST_INVALID', `${text} is no duration; write 500ms, 30s, 5m, 4h or 2d.`)
  }
  if (unit === 'ms') return `PT${Number(digits) / 1_000}S`
  return unit === 'd' ? `P${digits}D` : `PT${digits}${(unit ?? '').toUpperCase()}`
}
