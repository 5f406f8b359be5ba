import type { PresentationView } from './view.ts'

/** The version that grows with each part, or with each segment where there are no parts; past all where nothing comes any more. */
export function partVersionOf({ live, ended, version }: PresentationView): number {
  return live?.partVersion ?? (ended ? Number.POSITIVE_INFINITY : version)
}
