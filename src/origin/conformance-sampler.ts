import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { checkSegment } from '../conformance/cmaf-rules.ts'
import { checkMpd, checkMpdReload } from '../conformance/dash-rules.ts'
import { checkPlaylist, checkReload } from '../conformance/hls-rules.ts'
import { SmoothWatch } from '../conformance/smooth-watch.ts'
import type { ConformanceRule, Violation } from '../conformance/violation.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Answer } from './answer.ts'
import type { RequestKind } from './ports.ts'
import { loggedPath } from './signed-url.ts'

const unzip = promisify(gunzip)

/** Manifests of which the last reading is kept, and the longest that is checked. */
const MAX_KEPT = 32
const MAX_TEXT_BYTES = 2 ** 20
/** Manifests that wait to be read. */
const MAX_WAITING = 64
const MEDIA_TYPE = /^(video|audio|application)\/mp4$/
const HLS_TYPE = 'application/vnd.apple.mpegurl'
const DASH_TYPE = 'application/dash+xml'
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
 * proof, and nothing depends on it: manifests are read one at a time, of which some dozens may wait, and more are passed over. A rule's first breach is logged.
 */
export class ConformanceSampler {
  readonly #ports: SamplerPorts
  readonly #counts = new Map<RequestKind, number>()
  /** The newest reading of each manifest, the one looked at longest ago first. */
  readonly #last = new Map<string, string>()
  readonly #smooth = new SmoothWatch()
  readonly #logged = new Set<ConformanceRule>()
  #checked: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(ports: SamplerPorts) {
    this.#ports = ports
  }

  /** Looks at an answer that is about to be sent; never throws, and alters nothing. Media is read before this returns. */
  look(url: string, kind: RequestKind, answer: Answer): void {
    if (!isCheckable(answer)) return
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count % this.#ports.every)
    if (count % this.#ports.every !== 0) return
    const path = loggedPath(url)
    if (MEDIA_TYPE.test(headerOf(answer, 'Content-Type') ?? '')) {
      // Its memory may be another's as soon as it is sent.
      if (kind === 'segment' || kind === 'part') this.#note(path, checkSegment(Buffer.concat(answer.chunks)))
      if (kind === 'smooth-fragment') this.#note(path, this.#smooth.fragment(path, Buffer.concat(answer.chunks)))
      return
    }
    if (this.#waiting >= MAX_WAITING) return
    this.#waiting++
    this.#checked = this.#checked.then(() => this.#checkText({ path, kind, answer }, !url.includes('?')))
  }

  /** Resolves when nothing is being checked. */
  async idle(): Promise<void> {
    await this.#checked
  }

  /** One after the other, so that reloads are compared in the order in which they were answered; never rejects. */
  async #checkText(sample: Sample, isPlain: boolean): Promise<void> {
    try {
      this.#note(sample.path, await this.#violations(sample, isPlain))
    } catch (error) {
      const { path } = sample
      this.#ports.logger.error({ err: error, url: path }, `an answer could not be checked: ${messageOf(error)}`)
    } finally {
      this.#waiting--
    }
  }

  async #violations({ answer, path, kind }: Sample, isPlain: boolean): Promise<readonly Violation[]> {
    const type = headerOf(answer, 'Content-Type')
    const isSmooth = kind === 'smooth-manifest'
    if (kind === 'master' || (type !== HLS_TYPE && type !== DASH_TYPE && !isSmooth)) return []
    const body = Buffer.concat(answer.chunks)
    const isZipped = headerOf(answer, 'Content-Encoding') === 'gzip'
    const text = (isZipped ? await unzip(body, { maxOutputLength: 64 * MAX_TEXT_BYTES }) : body).toString()
    if (isSmooth) return this.#smooth.manifest(path, text, isPlain)
    // What was asked for with a query is another document.
    const before = isPlain ? this.#last.get(path) : undefined
    if (isPlain) this.#keep(path, text)
    const [check, checkAgain] = type === DASH_TYPE ? [checkMpd, checkMpdReload] : [checkPlaylist, checkReload]
    return [...check(text), ...(before === undefined ? [] : checkAgain(before, text))]
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
