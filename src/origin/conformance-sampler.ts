import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { checkSegment } from '../conformance/cmaf-rules.ts'
import { checkMpd, checkMpdReload } from '../conformance/dash-rules.ts'
import { checkPlaylist, checkReload } from '../conformance/hls-rules.ts'
import type { ConformanceRule, Violation } from '../conformance/violation.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Answer } from './answer.ts'
import type { RequestKind } from './ports.ts'

const unzip = promisify(gunzip)

/** Manifests of which the last reading is kept, and the longest that is checked. */
const MAX_KEPT = 32
const MAX_TEXT_BYTES = 2 ** 20
/** An answer to be checked: whole, and of what was asked for. */
type Sample = { readonly path: string; readonly kind: RequestKind; readonly answer: Answer }

/** What a sampler works with. */
export type SamplerPorts = {
  /** Every so many answers of a kind one is checked. */
  readonly every: number
  readonly violated: (rule: ConformanceRule) => void
  readonly logger: Logger
}

/**
 * Reads some of the answers as a client would, and counts the rules of the standards that they break. It is the operator's own
 * proof, and nothing depends on it: one answer at a time, and a failure to read is a finding like others. A rule's first breach is logged.
 */
export class ConformanceSampler {
  readonly #ports: SamplerPorts
  readonly #counts = new Map<RequestKind, number>()
  /** The newest reading of each manifest, the one looked at longest ago first. */
  readonly #last = new Map<string, string>()
  readonly #logged = new Set<ConformanceRule>()
  #checking: Promise<void> | undefined

  constructor(ports: SamplerPorts) {
    this.#ports = ports
  }

  /** Looks at an answer that is about to be sent; never throws, and alters nothing. Media is read before this returns. */
  look(url: string, kind: RequestKind, answer: Answer): void {
    if (!isCheckable(answer)) return
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count % this.#ports.every)
    if (count % this.#ports.every !== 0 || this.#checking) return
    const [path = ''] = url.split('?', 1)
    this.#checking = this.#check({ path, kind, answer }, url === path)
      .then(
        (violations) => this.#note(path, violations),
        (error: unknown) =>
          this.#ports.logger.error({ err: error, url: path }, `an answer could not be checked: ${messageOf(error)}`),
      )
      .finally(() => {
        this.#checking = undefined
      })
  }

  /** Resolves when nothing is being checked. */
  async idle(): Promise<void> {
    await this.#checking
  }

  async #check(sample: Sample, isPlain: boolean): Promise<readonly Violation[]> {
    const { answer, path } = sample
    const type = headerOf(answer, 'Content-Type') ?? ''
    if (/^(video|audio)\/mp4$/.test(type))
      return sample.kind === 'segment' ? checkSegment(Buffer.concat(answer.chunks)) : []
    const body = Buffer.concat(answer.chunks)
    const isZipped = headerOf(answer, 'Content-Encoding') === 'gzip'
    const text = (isZipped ? await unzip(body, { maxOutputLength: 64 * MAX_TEXT_BYTES }) : body).toString()
    // What was asked for with a query is another document.
    const before = isPlain ? this.#last.get(path) : undefined
    if (isPlain) this.#keep(path, text)
    if (type === 'application/dash+xml')
      return [...checkMpd(text), ...(before === undefined ? [] : checkMpdReload(before, text))]
    if (type !== 'application/vnd.apple.mpegurl' || sample.kind === 'master') return []
    return [...checkPlaylist(text), ...(before === undefined ? [] : checkReload(before, text))]
  }

  #keep(path: string, text: string): void {
    this.#last.delete(path)
    if (text.length > MAX_TEXT_BYTES) return
    this.#last.set(path, text)
    for (const oldest of this.#last.keys()) {
      if (this.#last.size <= MAX_KEPT) return
      this.#last.delete(oldest)
    }
  }

  #note(path: string, violations: readonly Violation[]): void {
    for (const { rule, detail } of violations) {
      this.#ports.violated(rule)
      if (this.#logged.has(rule)) continue
      this.#logged.add(rule)
      this.#ports.logger.error({ rule, detail, url: path }, `an answer breaks the rule ${rule}: ${detail}`)
    }
  }
}

function isCheckable({ status, chunks, stream, sizeBytes }: Answer): boolean {
  return status === 200 && chunks.length > 0 && stream === undefined && sizeBytes > 0
}

function headerOf({ headers }: Answer, name: string): string | undefined {
  const at = headers.findIndex((header, index) => index % 2 === 0 && header === name)
  return at < 0 ? undefined : headers[at + 1]
}
