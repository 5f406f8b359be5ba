import { type AppError, FormatError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { IngestObserver, OffenceKind, PublishRefusal } from './ports.ts'

/** The first part of a `FormatError`'s path, or the name of the limit that was passed. */
const KINDS: Readonly<Record<string, OffenceKind>> = {
  handshake: 'handshake',
  chunk: 'chunk',
  control: 'control',
  command: 'command',
  message: 'message-size',
  'chunk-streams': 'chunk-streams',
  'partial-bytes': 'partial-bytes',
}

/** What a peer did wrong, from the error that the protocol threw at it. */
export function offenceOf(error: AppError): OffenceKind {
  const name = error instanceof FormatError ? error.path.split('/', 1)[0] : error.details['limit']
  return (typeof name === 'string' ? KINDS[name] : undefined) ?? 'command'
}

/** The status code of a refusal: encoders know these three and show the description that comes with them. */
export function refusalCode(reason: PublishRefusal): string {
  if (reason === 'busy' || reason === 'invalid-name') return 'NetStream.Publish.BadName'
  return reason === 'unknown-key' || reason === 'address-not-allowed'
    ? 'NetStream.Publish.Denied'
    : 'NetStream.Publish.Rejected'
}

/** The offences of one session: all are counted, the log names each kind once. */
export class OffenceLedger {
  readonly #observer: IngestObserver
  readonly #logger: Logger
  readonly #channel: () => string | undefined
  readonly #named = new Set<OffenceKind>()
  #budget: number

  /** `channel`: to which the session publishes, if it does. */
  constructor(observer: IngestObserver, logger: Logger, budget: number, channel: () => string | undefined) {
    this.#observer = observer
    this.#logger = logger
    this.#budget = budget
    this.#channel = channel
  }

  name(kind: OffenceKind, problem: string): void {
    this.#observer.offence(kind)
    if (this.#named.has(kind)) return
    this.#named.add(kind)
    this.#logger.warn({ channel: this.#channel(), offence: kind, problem }, 'rtmp offence')
  }

  /** Names one that the session may survive; false when the budget for such is used up. */
  spend(kind: OffenceKind, problem: string): boolean {
    this.name(kind, problem)
    this.#budget -= 1
    return this.#budget >= 0
  }
}
