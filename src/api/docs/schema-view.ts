import { type Html, html, line } from './html.ts'

/** A schema as it stands in the document. */
export type Schema = {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly default?: unknown
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
/** The named schemas of a document. */
export type Schemas = Readonly<Record<string, Schema>>

const MAX_DEPTH = 6
const LONGEST_PATTERN = 80

function refName(ref: string): string {
  return ref.slice(ref.lastIndexOf('/') + 1)
}

/** What a schema says, with what it is a reference to beneath it. */
function resolve(schema: Schema, schemas: Schemas): Schema {
  if (schema.$ref !== undefined) return { ...schemas[refName(schema.$ref)], ...omitRef(schema) }
  const [only, ...others] = schema.allOf ?? []
  if (only && others.every((other) => other.$ref === undefined)) {
    return { ...resolve(only, schemas), ...Object.assign({}, ...others), ...schema }
  }
  return schema
}

function omitRef({ $ref: _ref, ...rest }: Schema): Schema {
  return rest
}

function branchesOf(schema: Schema): readonly Schema[] | undefined {
  return schema.anyOf ?? schema.oneOf
}

/** The type in a few words, with a link where it has a name. */
export function typeView(schema: Schema): Html {
  const named = schema.$ref ?? schema.allOf?.find(({ $ref }) => $ref !== undefined)?.$ref
  if (named !== undefined) return html`<a href="#schema-${refName(named)}">${refName(named)}</a>`
  const branches = branchesOf(schema)
  if (branches && branches.length > 8) return html`one of ${branches.length}`
  if (branches) return html`${branches.map((branch, index) => html`${index > 0 && ' or '}${typeView(branch)}`)}`
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`
  if (schema.enum) return html`${schema.enum.map((value, at) => html`${at > 0 && ' · '}<code>${String(value)}</code>`)}`
  if (schema.items) return html`list of ${typeView(schema.items)}`
  const types = (typeof schema.type === 'string' ? [schema.type] : (schema.type ?? [])).filter(
    (type) => type !== 'null',
  )
  const text = types.join(' or ') || 'anything'
  return html`${schema.format === undefined || schema.format === 'uuid' ? text : `${text} (${schema.format})`}`
}

function limitsOf(schema: Schema): string[] {
  const range = (from: number | undefined, to: number | undefined, unit: string) => {
    if (from === undefined && (to === undefined || to >= Number.MAX_SAFE_INTEGER)) return []
    if (to === undefined || to >= Number.MAX_SAFE_INTEGER) return [`at least ${from}${unit}`]
    return [from === undefined || from === 0 ? `at most ${to}${unit}` : `${from} to ${to}${unit}`]
  }
  return [
    ...range(schema.minimum, schema.maximum, ''),
    ...range(schema.minLength, schema.maxLength, ' characters'),
    ...range(schema.minItems, schema.maxItems, ' items'),
    ...(schema.default === undefined ? [] : [`default ${JSON.stringify(schema.default)}`]),
  ]
}

/** What there is to know of a value beside its type. */
export function notesView(schema: Schema): Html {
  const limits = limitsOf(schema)
  const pattern = schema.pattern !== undefined && schema.pattern.length <= LONGEST_PATTERN && schema.pattern
  return html`${limits.length > 0 && html`<span class="note">${limits.join(', ')}</span>`}${
    pattern && html`<span class="note">matches <code>${pattern}</code></span>`
  }`
}

/** The fields of an object, those of objects in it beneath them. */
export function fieldsView(schema: Schema, schemas: Schemas, depth = 0): Html {
  const { properties = {}, required = [] } = resolve(schema, schemas)
  const names = Object.keys(properties)
  if (names.length === 0 || depth > MAX_DEPTH) return html``
  return html`<ul class="fields">${names.map((name) => {
    const field = properties[name] ?? {}
    const inner = nestedOf(field)
    return html`<li><div class="field"><span class="name"><code>${name}</code>${
      required.includes(name) && html`<span class="required" title="required">required</span>`
    }</span><span class="type">${typeView(field)}</span><span class="about">${line(field.description)}${notesView(field)}</span></div>${
      inner && fieldsView(inner, schemas, depth + 1)
    }</li>`
  })}</ul>`
}

/** What is written out beneath a field: an object that has no name of its own, or a list's. */
function nestedOf(field: Schema): Schema | undefined {
  if (field.properties) return field
  if (field.items?.properties) return field.items
  return branchesOf(field)?.find(({ properties }) => properties !== undefined)
}

/** A value such as the schema describes, from its examples as far as it has any. */
export function sampleOf(schema: Schema, schemas: Schemas, depth = 0): unknown {
  const { example, default: standard, ...rest } = resolve(schema, schemas)
  if (example !== undefined) return example
  if (rest.const !== undefined) return rest.const
  if (rest.properties && depth <= MAX_DEPTH) return sampleObject(rest, schemas, depth)
  if (standard !== undefined) return standard
  if (rest.enum) return rest.enum[0]
  const [first] = branchesOf(rest) ?? []
  if (first) return sampleOf(first, schemas, depth + 1)
  if (rest.items) return depth > MAX_DEPTH ? [] : [sampleOf(rest.items, schemas, depth + 1)]
  const type = typeof rest.type === 'string' ? rest.type : rest.type?.[0]
  const plain: Readonly<Record<string, unknown>> = {
    string: 'text',
    integer: rest.minimum ?? 0,
    number: 0,
    boolean: true,
  }
  return type === 'object' ? {} : plain[type ?? '']
}

function sampleObject({ properties = {}, required = [] }: Schema, schemas: Schemas, depth: number) {
  const shown = Object.entries(properties).filter(
    ([name, field]) => required.includes(name) || hasExample(field, schemas),
  )
  return Object.fromEntries(shown.map(([name, field]) => [name, sampleOf(field, schemas, depth + 1)]))
}

function hasExample(field: Schema, schemas: Schemas): boolean {
  const { example, default: standard } = resolve(field, schemas)
  return example !== undefined || standard !== undefined
}
