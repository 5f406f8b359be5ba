import { expect } from 'vitest'
import type { Headend } from './headend.ts'
import { OpenApiCheck } from './openapi-check.ts'

/** Anything that the API answers. */
export type Json = Readonly<Record<string, unknown>>

export type ApiAnswer = { readonly status: number; readonly headers: Headers; readonly body: Json }

type CallOptions = { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }

/** Somebody who works with the API over HTTP alone; every answer is held against the OpenAPI document of that server. */
export class ApiUser {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #check: OpenApiCheck

  private constructor(url: string, headers: Readonly<Record<string, string>>, check: OpenApiCheck) {
    this.#url = url
    this.#headers = headers
    this.#check = check
  }

  static async of(headend: Headend): Promise<ApiUser> {
    const { controlUrl, apiKey } = headend.quickstart
    const response = await fetch(`${controlUrl}/openapi.json`)
    expect(response.status).toBe(200)
    const check = new OpenApiCheck((await response.json()) as Json)
    return new ApiUser(controlUrl, { authorization: `Bearer ${apiKey}` }, check)
  }

  /** The same server with another key, or in an account that a `system` key picks. */
  as(options: { readonly apiKey?: string; readonly account?: string }): ApiUser {
    const headers = {
      ...this.#headers,
      ...(options.apiKey !== undefined && { authorization: `Bearer ${options.apiKey}` }),
      ...(options.account !== undefined && { 'headend-account': options.account }),
    }
    return new ApiUser(this.#url, headers, this.#check)
  }

  /** In the account that is there from the start. */
  async inDefaultAccount(): Promise<ApiUser> {
    const { body } = await this.call('GET', '/v1/accounts?limit=10')
    const [account] = body['items'] as { id: string }[]
    return this.as({ account: account?.id ?? '' })
  }

  async call(method: string, path: string, { body, headers = {} }: CallOptions = {}): Promise<ApiAnswer> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: { ...this.#headers, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const answer = {
      status: response.status,
      headers: response.headers,
      body: (text === '' ? {} : JSON.parse(text)) as Json,
    }
    this.#check.assertDocumented(method, path, { ...answer, text })
    return answer
  }

  /** A call that succeeds with this status; gives the body. */
  async ask(status: number, method: string, path: string, body?: unknown): Promise<Json> {
    const answer = await this.call(method, path, body === undefined ? {} : { body })
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBe(status)
    return answer.body
  }

  /** Something that takes a while, to its good end. */
  async operate(method: string, path: string, body?: unknown): Promise<Json> {
    const operation = await this.ask(200, method, `${path}${path.includes('?') ? '&' : '?'}wait=30s`, body)
    expect(operation).toMatchObject({ state: 'succeeded' })
    return operation
  }
}
