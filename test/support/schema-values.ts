import fc from 'fast-check'

/** A JSON schema as an OpenAPI document holds it. */
export type JsonSchema = {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly propertyNames?: JsonSchema
  readonly items?: JsonSchema
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  readonly example?: unknown
  readonly format?: string
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
}
type Schemas = Readonly<Record<string, JsonSchema>>
type Values = fc.Arbitrary<unknown>

const MAX_DEPTH = 6
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Text that has broken parsers before. */
export const nastyText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '\0',
    '\u202e',
    '\ud800',
    '../..',
    '%00',
    '%2e%2e',
    "'; drop table entity; --",
    '__proto__',
    'null',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.nat({ max: 3_000 }).map((length) => 'x'.repeat(length)),
)

/** JSON of any shape, with names that mean something to JavaScript among its keys. */
export const nastyJson: Values = fc.oneof(
  { depthSize: 'small' },
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(Number.MAX_VALUE, -0, 1e308, -1, 2 ** 53, [], {}, [[[[[]]]]], null, true),
  fc.dictionary(
    fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', 'id', 'name', 'etag', ''),
    fc.jsonValue({ maxDepth: 1 }),
  ),
  nastyText,
)

function text(schema: JsonSchema): Values {
  const { minLength = 0, maxLength = 64, pattern, format, example } = schema
  if (format === 'date-time') {
    return fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((date) => date.toISOString())
  }
  const plain = fc.string({ minLength, maxLength: Math.min(maxLength, minLength + 40) })
  if (pattern !== undefined) return fc.oneof(fc.stringMatching(new RegExp(pattern, 'u')), fc.constant(example ?? ''))
  // What a text without a pattern has to be like is often only shown by its example.
  return example === undefined ? plain : fc.oneof({ weight: 6, arbitrary: fc.constant(example) }, plain)
}

/** Values that a schema admits, as far as it says; what it refers to is found among `schemas`. `ids` may grow meanwhile. */
export function valuesOf(schema: JsonSchema, schemas: Schemas, ids: readonly string[], depth = 0): Values {
  const inner = (next: JsonSchema) => valuesOf(next, schemas, ids, depth + 1)
  if (depth > MAX_DEPTH) return nastyJson
  if (schema.$ref !== undefined) return inner(schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {})
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  const branches = schema.anyOf ?? schema.oneOf
  if (branches) return fc.oneof(...branches.map(inner))
  if (schema.allOf) return inner(Object.assign({}, ...schema.allOf.map((part) => deref(part, schemas))))
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? [])
  if (types.length > 1) return fc.oneof(...types.map((type) => inner({ ...schema, type })))
  return ofType(types[0], schema, ids, inner)
}

function deref(schema: JsonSchema, schemas: Schemas): JsonSchema {
  return schema.$ref === undefined ? schema : (schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {})
}

/** One of the ids that there are when the value is made; none fits, then one that fits no more. */
function known(ids: readonly string[], pattern: RegExp): Values {
  return fc.nat().map((choice) => {
    const fitting = ids.filter((id) => pattern.test(id))
    return fitting[choice % Math.max(1, fitting.length)] ?? ids[0]
  })
}

function ofType(
  type: string | undefined,
  schema: JsonSchema,
  ids: readonly string[],
  inner: (next: JsonSchema) => Values,
): Values {
  const { minimum = -1_000, maximum = 1e9, minItems = 0, maxItems = 3 } = schema
  switch (type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return fc.integer({ min: minimum, max: Math.max(minimum, Math.min(maximum, Number.MAX_SAFE_INTEGER)) })
    case 'number':
      return fc.double({ min: minimum, max: maximum, noNaN: true })
    case 'array':
      return fc.array(inner(schema.items ?? {}), { minLength: minItems, maxLength: Math.min(maxItems, minItems + 3) })
    case 'object':
      return objectOf(schema, inner)
    case 'string': {
      if (schema.format === 'uuid') return fc.oneof({ weight: 9, arbitrary: known(ids, GUID) }, fc.uuid())
      const isId = /^\^\w\w_/.test(schema.pattern ?? '')
      const fitting = new RegExp(schema.pattern ?? '', 'u')
      return isId ? fc.oneof({ weight: 9, arbitrary: known(ids, fitting) }, text(schema)) : text(schema)
    }
    default:
      return nastyJson
  }
}

function objectOf(
  { properties, required = [], additionalProperties }: JsonSchema,
  inner: (next: JsonSchema) => Values,
): Values {
  if (!properties) {
    const values = typeof additionalProperties === 'object' ? inner(additionalProperties) : nastyJson
    return fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/), values, { maxKeys: 3 })
  }
  const model = Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, inner(schema)]))
  const optional = Object.keys(model).filter((name) => !required.includes(name))
  // Few at a time: what no schema can say of one field would spoil most objects that have them all.
  const few = fc.subarray(optional, { maxLength: Math.min(2, optional.length) })
  const chosen = fc.oneof({ weight: 4, arbitrary: few }, fc.constant(optional))
  return fc
    .tuple(fc.record(model), chosen)
    .map(([whole, names]) =>
      Object.fromEntries(Object.entries(whole).filter(([name]) => required.includes(name) || names.includes(name))),
    )
}

/** The value with something in it put wrong: a field taken away, added, or made into something else. */
export function mutated(value: unknown): Values {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return nastyJson
  const keys = Object.keys(value)
  const added = fc.tuple(fc.constantFrom('id', 'state', '__proto__', 'extra', ''), nastyJson)
  const replaced = keys.length === 0 ? added : fc.tuple(fc.constantFrom(...keys), nastyJson)
  const deeper =
    keys.length === 0
      ? added
      : fc
          .constantFrom(...keys)
          .chain((key) => fc.tuple(fc.constant(key), mutated((value as Record<string, unknown>)[key])))
  return fc.oneof(added, replaced, deeper).map(([key, wrong]) => ({ ...value, [key]: wrong }))
}
