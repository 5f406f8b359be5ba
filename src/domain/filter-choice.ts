import { AppError } from '../lib/errors.ts'

/** How many filters one URL may name. */
const MAX_FILTERS_PER_URL = 3

/** Bits per second from and to, both included; `undefined` for what is no range. `1500000` is a range of one. */
export function parseBitrateRange(text: string): { readonly from: number; readonly to: number } | undefined {
  const match = /^(\d{1,12})(?:(-)(\d{1,12})?)?$/.exec(text)
  if (!match) return undefined
  const from = Number(match[1])
  const to = match[2] === undefined ? from : Number(match[3] ?? Number.POSITIVE_INFINITY)
  return from <= to ? { from, to } : undefined
}

/**
 * The filters of a request, in the order in which they are named. An asset's own goes before the account's of that name.
 *
 * @throws AppError `URL_INVALID` for more than three; `ENTITY_NOT_FOUND` for a name that there is none of.
 */
export function chooseFilters<F extends { readonly name: string; readonly assetId?: string | undefined }>(
  names: readonly string[],
  assetId: string,
  filters: readonly F[],
): F[] {
  const unique = [...new Set(names)]
  if (unique.length > MAX_FILTERS_PER_URL) {
    throw new AppError('URL_INVALID', `A URL may name at most ${MAX_FILTERS_PER_URL} filters.`)
  }
  return unique.map((name) => {
    const named = filters.filter((filter) => filter.name === name)
    const chosen =
      named.find((filter) => filter.assetId === assetId) ?? named.find((filter) => filter.assetId === undefined)
    if (chosen) return chosen
    throw new AppError('ENTITY_NOT_FOUND', `There is no filter ${name}.`, { details: { kind: 'filter', name } })
  })
}
