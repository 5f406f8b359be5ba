import { type Html, html, line, prose } from './html.ts'
import { fieldsView, notesView, type Schema, type Schemas, sampleOf, typeView } from './schema-view.ts'

type Content = Readonly<Record<string, { readonly schema?: Schema }>>
type Parameter = {
  readonly $ref?: string
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly description?: string
  readonly schema?: Schema
}

/** An operation as it stands in the document. */
export type Operation = {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly tags: readonly string[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required?: boolean; readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>
  readonly 'x-roles'?: readonly string[]
}

/** What operations refer to. */
export type Components = {
  readonly schemas: Schemas
  readonly parameters: Readonly<Record<string, Parameter>>
}

/** Where an operation stands. */
export type Place = { readonly method: string; readonly path: string }

/** A path whose parameters stand out. */
export function pathView(path: string): Html {
  return html`${path.split(/(\{\w+\})/).map((part) => (part.startsWith('{') ? html`<i>${part}</i>` : part))}`
}

function parameterRows(parameters: readonly Parameter[], components: Components): Html {
  return html`<ul class="fields">${parameters.map((given) => {
    const named = given.$ref === undefined ? undefined : components.parameters[given.$ref.split('/').at(-1) ?? '']
    const { name, in: where, required, description, schema = {} } = named ?? given
    return html`<li><div class="field"><span class="name"><code>${name}</code>${
      required && html`<span class="required">required</span>`
    }</span><span class="type">${where} · ${typeView(schema)}</span><span class="about">${line(
      description ?? schema.description,
    )}${notesView(schema)}</span></div></li>`
  })}</ul>`
}

function bodyView({ content }: NonNullable<Operation['requestBody']>, { schemas }: Components): Html {
  const mediaTypes = Object.keys(content)
  const schema = content[mediaTypes[0] ?? '']?.schema
  const hasFields = schema !== undefined && Object.keys(schema).length > 0
  return html`<h4>Body</h4><p class="media">${mediaTypes.map((type, at) => html`${at > 0 && ' or '}<code>${type}</code>`)}${
    hasFields && html` · ${typeView(schema)}`
  }</p>${hasFields && fieldsView(schema, schemas)}`
}

/** A shell's single quotes, however the text is. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

function curlOf({ method, path }: Place, operation: Operation, { schemas }: Components): string {
  const content = operation.requestBody?.content ?? {}
  const [mediaType] = Object.keys(content)
  const schema = content[mediaType ?? '']?.schema
  const url = `"$HEADEND${path.replaceAll(/\{(\w+)\}/g, (_match, name: string) => `$${name}`)}"`
  const isOpen = operation['x-roles']?.includes('anyone') ?? false
  const lines = [
    `curl ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}${url}`,
    ...(isOpen ? [] : [`-H "Authorization: Bearer $API_KEY"`]),
  ]
  if (mediaType === 'application/octet-stream') lines.push('--upload-file video.mp4')
  else if (mediaType !== undefined && schema) {
    lines.push(`-H ${quoted(`Content-Type: ${mediaType}`)}`, `-d ${quoted(JSON.stringify(sampleOf(schema, schemas)))}`)
  }
  return lines.join(' \\\n  ')
}

function answersView(operation: Operation, { schemas }: Components): Html {
  const entries = Object.entries(operation.responses)
  const sample = entries.flatMap(([status, { content }]) => {
    const schema = content?.['application/json']?.schema
    return status.startsWith('2') && schema
      ? [{ status, text: JSON.stringify(sampleOf(schema, schemas), null, 2) }]
      : []
  })[0]
  return html`<h4>Answers</h4><ul class="answers">${entries.map(([status, { description, content }]) => {
    const schema = Object.values(content ?? {})[0]?.schema
    const shown = schema?.$ref !== undefined && !schema.$ref.endsWith('/Problem')
    return html`<li><b class="status s${status.charAt(0)}">${status}</b><span>${line(description)}${
      shown && html` ${typeView(schema)}`
    }</span></li>`
  })}</ul>${sample && html`<h4>Answered, for example, with ${sample.status}</h4><pre><code>${sample.text}</code></pre>`}`
}

/** An operation, folded up until it is asked for. */
export function operationView(place: Place, operation: Operation, components: Components): Html {
  const { operationId, summary, description, parameters = [], requestBody } = operation
  const roles = operation['x-roles'] ?? []
  const words = `${place.method} ${place.path} ${summary} ${operationId}`.toLowerCase()
  return html`<details class="operation" id="${operationId}" data-words="${words}"><summary><b class="method ${place.method}">${
    place.method
  }</b><span class="path">${pathView(place.path)}</span><span class="summary">${summary}</span></summary><div class="inside">${
    description !== undefined && prose(description)
  }<p class="roles">${roles.includes('anyone') ? 'Open to anybody' : 'For'} ${
    !roles.includes('anyone') && roles.map((role) => html`<span class="role">${role}</span>`)
  }</p>${parameters.length > 0 && html`<h4>Parameters</h4>${parameterRows(parameters, components)}`}${
    requestBody && bodyView(requestBody, components)
  }<h4>Request</h4><pre><code>${curlOf(place, operation, components)}</code></pre>${answersView(operation, components)}</div></details>`
}
