import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const src = resolve(import.meta.dirname, '../src')

/** Which rooms a room may import, besides itself. The composition root (`main`, `app`, `roles`) may import everything. */
const PURE = ['lib', 'media', 'protection', 'presentation', 'manifest', 'packaging', 'conformance', 'domain']
const allowed: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  config: ['lib'],
  media: ['lib'],
  protection: ['lib', 'media'],
  presentation: ['lib', 'media'],
  manifest: ['lib', 'media', 'presentation'],
  packaging: ['lib', 'media', 'presentation'],
  conformance: [],
  domain: ['lib'],
  telemetry: ['lib', 'conformance'],
  store: PURE,
  storage: PURE,
  log: PURE,
  ondemand: PURE,
  ingest: PURE,
  transcode: PURE,
  channel: PURE,
  archive: PURE,
  events: PURE,
  keys: PURE,
  origin: PURE,
  api: PURE,
  supervisor: PURE,
  cli: PURE,
}
const ROOTS = ['main.ts', 'app.ts', 'cli.ts', 'roles']

type SourceFile = { readonly path: string; readonly room: string; readonly text: string; readonly imports: string[] }

function sourceFiles(): SourceFile[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => {
      const text = readFileSync(join(src, path), 'utf8')
      const specifiers = [...text.matchAll(/(?:from|import)\s+'(\.[^']+)'/g)].map((match) => match[1] ?? '')
      const imports = specifiers.map((specifier) => relative(src, resolve(dirname(join(src, path)), specifier)))
      return { path, room: path.split('/')[0] ?? '', text, imports }
    })
}

const files = sourceFiles()

/** What is loaded with a module, at once, and by which way: files of ours and names of packages. Types are not, nor what is imported later. */
function loadedBy(root: string): ReadonlyMap<string, string> {
  const texts = new Map(files.map(({ path, text }) => [path, text]))
  const trails = new Map<string, string>()
  const visit = (path: string, trail: string) => {
    if (trails.has(path)) return
    trails.set(path, trail)
    for (const [, names = '', specifier = ''] of (texts.get(path) ?? '').matchAll(
      /^import\s+(?!type\b)([^'"]*?)(?:\s*from\s+)?'([^']+)'/gm,
    )) {
      const isTyped =
        /^\{[^}]*\}$/.test(names) &&
        names
          .slice(1, -1)
          .split(',')
          .every((name) => /^\s*(type\s|$)/.test(name))
      if (isTyped) continue
      const target = specifier.startsWith('.') ? join(dirname(path), specifier) : specifier
      visit(target, `${trail} → ${target}`)
    }
  }
  visit(root, root)
  return trails
}

describe('the house', () => {
  it('knows every room', () => {
    const unknown = files.filter(({ room }) => !ROOTS.includes(room) && !(room in allowed)).map(({ path }) => path)
    expect(unknown).toEqual([])
  })

  it('lets a room import only what the table allows', () => {
    const breaches = files
      .filter(({ room }) => !ROOTS.includes(room))
      .flatMap(({ path, room, imports }) =>
        imports
          .filter((target) => target.split('/')[0] !== room && !allowed[room]?.includes(target.split('/')[0] ?? ''))
          .map((target) => `${path} imports ${target}`),
      )
    expect(breaches).toEqual([])
  })

  it('has no import cycle', () => {
    const graph = new Map(files.map(({ path, imports }) => [path, imports]))
    const state = new Map<string, 'open' | 'done'>()
    const cycles: string[] = []
    const visit = (path: string, trail: readonly string[]) => {
      if (state.get(path) === 'done') return
      if (state.get(path) === 'open') {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
        return
      }
      state.set(path, 'open')
      for (const target of graph.get(path) ?? []) visit(target, [...trail, path])
      state.set(path, 'done')
    }
    for (const { path } of files) visit(path, [])
    expect(cycles).toEqual([])
  })

  it('reads time through the clock port only', () => {
    const reads = /(?<![.\w#])(Date\.now|performance\.now|setTimeout|setInterval|setImmediate)\b|new Date\(\)/
    const breaches = files
      .filter(({ path, text }) => path !== 'lib/clock.ts' && reads.test(text))
      .map(({ path }) => path)
    expect(breaches).toEqual([])
  })

  it('takes node:http from lib/http only, which is 15 MB less for the process', () => {
    const imports = /^import (?!type\b)[^'\n]*'node:http'/m
    expect(files.filter(({ text }) => imports.test(text)).map(({ path }) => path)).toEqual([])
  })

  it('loads no zod into origin threads, where it costs each of them 10 MB', () => {
    const trails = loadedBy('roles/origin-thread.ts')
    expect(trails.has('origin/origin-server.ts')).toBe(true)
    expect(trails.get('zod')).toBeUndefined()
  })

  it('loads with the program only what every node uses, which is 6 MB less for the process', () => {
    // What `main` imports once it knows that it is to run.
    const trails = loadedBy('app.ts')
    expect(trails.has('ingest/rtmp-session.ts') && trails.has('roles/origin-pool.ts')).toBe(true)
    const late = [
      'api/openapi.ts',
      'api/docs/docs-page.ts',
      '@asteasolutions/zod-to-openapi',
      'ondemand/file-presentation.ts',
      'transcode/ladder-transcoder.ts',
      'store/postgres-database.ts',
      'pg',
      '@aws-sdk/client-s3',
    ]
    expect(late.flatMap((path) => trails.get(path) ?? [])).toEqual([])
  })

  it('has no barrels, and one process.exit', () => {
    expect(files.filter(({ path }) => /(^|\/)index\.ts$/.test(path)).map(({ path }) => path)).toEqual([])
    expect(files.filter(({ text }) => /^export (\*|\{[^}]*\}) from/m.test(text)).map(({ path }) => path)).toEqual([])
    expect(files.filter(({ text }) => /process\.exit\(/.test(text)).map(({ path }) => path)).toEqual(['main.ts'])
  })

  it('names things as the field does', () => {
    const vague = /(^|[/-])(utils?|helpers?|managers?|common|misc)([./-]|$)/
    expect(files.filter(({ path }) => vague.test(path)).map(({ path }) => path)).toEqual([])
  })

  it('documents every export', () => {
    const bare = files.flatMap(({ path, text }) => {
      const lines = text.split('\n')
      return lines.flatMap((line, index) => {
        const isExport = /^export (async )?(function|class|const|type)\b/.test(line)
        const before = lines[index - 1] ?? ''
        // A type that a sentence introduces a few lines above, in a run of one-line types, is documented there.
        const isRun = /^export (type|const) /.test(before) && /^export (type|const) /.test(line)
        // What is inferred from a schema is documented where the schema is.
        const isInferred = /= z\.(infer|input|output)</.test(line)
        return isExport && !isRun && !isInferred && !before.trimEnd().endsWith('*/')
          ? [`${path}:${index + 1} ${line.slice(0, 60)}`]
          : []
      })
    })
    expect(bare).toEqual([])
  })
})
