import type { OpenApiDocument } from '../openapi.ts'
import { type Html, html, line, prose } from './html.ts'
import { type Components, type Operation, operationView, type Place } from './operation-view.ts'
import { fieldsView, type Schema, typeView } from './schema-view.ts'

type Entry = { readonly place: Place; readonly operation: Operation }

/** In the order in which one reads them. */
const METHODS = ['get', 'post', 'put', 'patch', 'delete']

function entriesOf(document: OpenApiDocument): Entry[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = (item as Readonly<Record<string, Operation>>)[method]
      return operation ? [{ place: { method, path }, operation }] : []
    }),
  )
}

function titleOf(tag: string): string {
  const text = tag.replaceAll('-', ' ')
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function navigation(tags: readonly Tag[]): Html {
  return html`<nav aria-label="Contents"><label class="search"><span class="hidden">Search</span><input id="search" type="search"
placeholder="Search the API" autocomplete="off" spellcheck="false"><kbd>/</kbd></label><p id="found" role="status" aria-live="polite"></p>
<details class="contents" open><summary>Contents</summary><ul>${tags.map(
    ({ name, entries }) =>
      html`<li><a class="tag" href="#tag-${name}">${titleOf(name)}</a><ul>${entries.map(
        ({ place, operation }) =>
          html`<li data-for="${operation.operationId}"><a href="#${operation.operationId}"><b class="method ${place.method}">${
            place.method === 'delete' ? 'del' : place.method
          }</b>${operation.summary}</a></li>`,
      )}</ul></li>`,
  )}<li><a class="tag" href="#schemas">Schemas</a></li></ul></details></nav>`
}

type Tag = { readonly name: string; readonly description: string; readonly entries: readonly Entry[] }

function tagsOf(document: OpenApiDocument): Tag[] {
  const entries = entriesOf(document)
  return (document.tags ?? []).map(({ name, description = '' }) => ({
    name,
    description,
    entries: entries.filter(({ operation }) => operation.tags.includes(name)),
  }))
}

function schemaView(name: string, schema: Schema, { schemas }: Components): Html {
  const branches = schema.oneOf ?? schema.anyOf
  return html`<details class="schema" id="schema-${name}" data-words="${name.toLowerCase()}"><summary><code>${name}</code><span class="summary">${line(
    schema.description,
  )}</span></summary><div class="inside">${
    branches
      ? html`<p>One of:</p><ul class="branches">${branches.map((branch) => html`<li>${typeView(branch)}</li>`)}</ul>`
      : fieldsView(schema, schemas)
  }${schema.example !== undefined && html`<h4>Example</h4><pre><code>${JSON.stringify(schema.example, null, 2)}</code></pre>`}</div></details>`
}

/** The document as a page to be read: whole without scripts, with one it can be searched. Nothing comes from elsewhere. */
export function docsPage(document: OpenApiDocument): string {
  const components = document.components as unknown as Components
  const tags = tagsOf(document)
  const { title, version, description = '' } = document.info
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>${title} API</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/docs.css"><script src="/docs/docs.js" defer></script></head>
<body><a class="skip" href="#main">To the contents</a><header><a class="brand" href="/">${title}</a><span class="version">API ${version}</span>
<a class="raw" href="/openapi.json">openapi.json</a></header>
<div class="columns">${navigation(tags)}<main id="main"><section class="intro"><h1>${title} API</h1>${prose(description)}</section>
${tags.map(
  ({ name, description: about, entries }) =>
    html`<section class="group" id="tag-${name}"><h2>${titleOf(name)}</h2><p class="lead">${line(about)}</p>${entries.map(
      ({ place, operation }) => operationView(place, operation, components),
    )}</section>\n`,
)}<section class="group" id="schemas"><h2>Schemas</h2><p class="lead">What bodies and answers hold.</p>${Object.entries(
    components.schemas,
  )
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, schema]) => schemaView(name, schema, components))}</section></main></div></body></html>
`
  return page.text
}
