import type { PresentationView } from '../../src/presentation/view.ts'

/** What a reader in another thread is asked; everything but `read`'s bytes can be cloned. */
export type Question =
  | { readonly ask: 'find'; readonly locatorId: string }
  | { readonly ask: 'state'; readonly locatorId: string }
  | { readonly ask: 'read'; readonly id: string; readonly rendition: number; readonly sequence: number }
  | { readonly ask: 'hold'; readonly id: string; readonly rendition: number; readonly sequence: number }
  | { readonly ask: 'held' }
  | { readonly ask: 'let-go' }
  | { readonly ask: 'wait'; readonly id: string; readonly version: number; readonly timeoutMs: number }
  | { readonly ask: 'wait-part'; readonly id: string; readonly partVersion: number; readonly timeoutMs: number }
  | { readonly ask: 'stall'; readonly ms: number }

/** A view as plain data. */
export type ViewState = {
  readonly version: number
  readonly ended: boolean
  readonly first: number
  readonly end: number
  readonly renditions: readonly string[]
  readonly rows: readonly unknown[]
}

type Reader = {
  find(
    locatorId: string,
  ): { readonly locatorId: string; readonly manifestName: string; readonly view: PresentationView } | undefined
  read(id: string, rendition: number, sequence: number, signal: AbortSignal): readonly Uint8Array[] | undefined
  wait(id: string, version: number, signal: AbortSignal): Promise<PresentationView | undefined>
  waitForPart(id: string, partVersion: number, signal: AbortSignal): Promise<PresentationView | undefined>
}

/** Answers questions about a reader in the reader's own thread. */
export class Interview {
  readonly #reader: Reader
  #holding = new AbortController()
  #held: readonly Uint8Array[] | undefined

  constructor(reader: Reader) {
    this.#reader = reader
  }

  async answer(question: Question): Promise<unknown> {
    const reader = this.#reader
    switch (question.ask) {
      case 'find': {
        const found = reader.find(question.locatorId)
        return found && { locatorId: found.locatorId, manifestName: found.manifestName, id: found.view.header.id }
      }
      case 'state': {
        const view = reader.find(question.locatorId)?.view
        return view && stateOf(view)
      }
      case 'read': {
        const done = new AbortController()
        const bytes = copy(reader.read(question.id, question.rendition, question.sequence, done.signal))
        done.abort()
        return bytes
      }
      case 'hold':
        this.#held = reader.read(question.id, question.rendition, question.sequence, this.#holding.signal)
        return copy(this.#held)
      case 'held':
        return copy(this.#held)
      case 'let-go':
        this.#holding.abort()
        this.#holding = new AbortController()
        return undefined
      case 'wait':
        return reader.wait(question.id, question.version, AbortSignal.timeout(question.timeoutMs)).then(
          (view) => (view ? view.version : 'gone'),
          () => 'timeout',
        )
      case 'wait-part': {
        const signal = AbortSignal.timeout(question.timeoutMs)
        return reader.waitForPart(question.id, question.partVersion, signal).then(
          (view) => (view ? view.live?.partVersion : 'gone'),
          () => 'timeout',
        )
      }
      case 'stall': {
        const until = Date.now() + question.ms
        while (Date.now() < until);
        return undefined
      }
    }
  }
}

/** The state of a view, with everything that a manifest could be made of. */
export function stateOf(view: PresentationView): ViewState {
  const rows: unknown[] = []
  for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
    rows.push(view.segment(sequence))
    for (const { index } of view.renditions) rows.push(view.renditionSegment(index, sequence))
  }
  return {
    version: view.version,
    ended: view.ended,
    first: view.firstSequence,
    end: view.endSequence,
    renditions: view.renditions.map(({ name, tracks }) => `${name} ${tracks.map(({ track }) => track).join()}`),
    rows,
  }
}

function copy(fragments: readonly Uint8Array[] | undefined): number[][] | undefined {
  return fragments?.map((fragment) => [...fragment])
}
