import type { PresentationView, Rendition } from './view.ts'

/** The `emsg` boxes that stand before the first fragment of a rendition's segment, closed or open; `undefined`: none. */
export function carriedEvents(
  view: PresentationView,
  { kind }: Pick<Rendition, 'kind'>,
  sequence: number,
): Uint8Array | undefined {
  const events = view.events(sequence)
  return events?.kind === kind ? events.boxes : undefined
}

/** What a rendition's segment is as players get it: its stored fragments behind its events. */
export function withEvents(
  view: PresentationView,
  rendition: Pick<Rendition, 'kind'>,
  sequence: number,
  fragments: readonly Uint8Array[],
): readonly Uint8Array[] {
  const events = carriedEvents(view, rendition, sequence)
  return events ? [events, ...fragments] : fragments
}
