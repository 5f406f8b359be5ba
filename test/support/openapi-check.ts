import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { expect } from 'vitest'

type Json = Readonly<Record<string, unknown>>
type Content = Readonly<Record<string, { readonly schema?: Json }>>
type Header = { readonly $ref?: string }
type Response = { readonly content?: Content; readonly headers?: Readonly<Record<string, Header>> }
type Operation = { readonly operationId: string; readonly responses: Readonly<Record<string, Response>> }

type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>

/** An answer as it came over the wire. */
export type CheckedAnswer = {
  readonly status: number
  readonly headers: Pick<Headers, 'get'>
  readonly text: string
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete']

function pointer(...parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('')
}

/** Compiling schemas takes longer than most tests: it is done once for a document. */
const VALIDATORS = new WeakMap<Json, Ajv2020>()

function validatorsOf(document: Json): Ajv2020 {
  const known = VALIDATORS.get(document)
  if (known) return known
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false })
  ajv.addSchema({ $id: 'openapi', ...document })
  VALIDATORS.set(document, ajv)
  return ajv
}

/** Holds answers against an OpenAPI 3.1 document by a validator that nobody here wrote. */
export class OpenApiCheck {
  readonly #ajv: Ajv2020
  readonly #operations: readonly { readonly method: string; readonly path: string; readonly pattern: RegExp }[]
  readonly #paths: Paths
  /** By operation id, the statuses that were seen: what a test suite can say it has covered. */
  readonly seen = new Map<string, Set<number>>()

  constructor(document: Json) {
    this.#ajv = validatorsOf(document)
    this.#paths = document['paths'] as Paths
    const templates = Object.keys(this.#paths)
    this.#operations = templates
      // What is written out goes before what is a parameter.
      .toSorted((a, b) => a.split('{').length - b.split('{').length)
      .flatMap((path) => {
        const pattern = new RegExp(
          `^${path
            .split(/\{\w+\}/)
            .map(RegExp.escape)
            .join('[^/]+')}/?$`,
        )
        return METHODS.filter((method) => this.#paths[path]?.[method]).map((method) => ({ method, path, pattern }))
      })
  }

  /**
   * That the document has this status for this route, with the media type in which it came, and that the body and headers are
   * what it says. Paths that the document doesn't have, and methods that a path has not, are not for it to judge.
   */
  assertDocumented(method: string, url: string, answer: CheckedAnswer): void {
    const path = url.replace(/^https?:\/\/[^/]+/, '').split('?', 1)[0] ?? ''
    const asked = method.toLowerCase() === 'head' ? 'get' : method.toLowerCase()
    const found = this.#operations.find((operation) => operation.method === asked && operation.pattern.test(path))
    if (!found) return
    const operation = this.#paths[found.path]?.[found.method]
    const what = `${method} ${found.path} → ${answer.status}`
    const response = operation?.responses[answer.status]
    expect(response, `${what} is not documented: ${answer.text.slice(0, 500)}`).toBeDefined()
    if (!operation || !response) return
    this.seen.set(operation.operationId, (this.seen.get(operation.operationId) ?? new Set()).add(answer.status))
    for (const name of Object.keys(response.headers ?? {})) {
      expect(answer.headers.get(name), `${what} has no ${name}`).not.toBeNull()
    }
    if (method.toUpperCase() !== 'HEAD') this.#assertBody(what, found, answer, response)
  }

  #assertBody(
    what: string,
    { method, path }: { readonly method: string; readonly path: string },
    answer: CheckedAnswer,
    { content }: Response,
  ): void {
    if (!content) {
      expect(answer.text, `${what} has a body that is not documented`).toBe('')
      return
    }
    const mediaType = answer.headers.get('content-type')?.split(';', 1)[0]?.trim() ?? ''
    const documented = content[mediaType] ? mediaType : '*/*'
    expect(content[documented], `${what} came as ${mediaType}`).toBeDefined()
    if (!/json$/.test(mediaType) || documented === '*/*') return
    const at = pointer('paths', path, method, 'responses', String(answer.status), 'content', documented, 'schema')
    const validate: ValidateFunction | undefined = this.#ajv.getSchema(`openapi#${at}`)
    expect(validate, `${what} has no schema`).toBeDefined()
    const isValid = validate?.(JSON.parse(answer.text))
    expect(isValid ? [] : validate?.errors, `${what}: ${answer.text.slice(0, 2_000)}`).toEqual([])
  }
}
