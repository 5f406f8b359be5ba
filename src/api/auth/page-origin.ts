import { AppError } from '../../lib/errors.ts'

/** What of a request says which page made it. */
export type PageRequest = {
  readonly method: string
  readonly header: (name: string) => string | undefined
  readonly secure: boolean
}

/** Whether a request may change something, or opens a channel that can (a WebSocket is a GET, and asks no other site's leave). */
export function isUnsafe({ method, header }: Pick<PageRequest, 'method' | 'header'>): boolean {
  return !['GET', 'HEAD', 'OPTIONS'].includes(method) || header('Upgrade')?.toLowerCase() === 'websocket'
}

/** The page that made the request, as its browser says: `undefined` where it says nothing, as programs do. */
function isOwnPage({ header, secure }: PageRequest): boolean | undefined {
  const site = header('Sec-Fetch-Site')
  if (site !== undefined) return site === 'same-origin'
  const origin = header('Origin')
  if (origin === undefined) return undefined
  const [, scheme, host] = /^(https?):\/\/([^/]+)$/i.exec(origin) ?? []
  // Behind a proxy that ends TLS we are reached in the clear: then the page's scheme says nothing.
  const isScheme = scheme !== undefined && (!secure || scheme.toLowerCase() === 'https')
  return isScheme && host !== undefined && host.toLowerCase() === header('Host')?.toLowerCase()
}

const FOREIGN = 'A browser session is only for pages of this very address.'

/**
 * That a request which a session alone vouches for was made by one of our own pages.
 *
 * @throws AppError `PAGE_FOREIGN`
 */
export function assertOwnPage(request: PageRequest): void {
  if (isOwnPage(request) !== true) throw new AppError('PAGE_FOREIGN', FOREIGN)
}

/** That no other site's page made the request; programs say nothing about pages. @throws AppError `PAGE_FOREIGN` */
export function assertNoForeignPage(request: PageRequest): void {
  if (isOwnPage(request) === false) throw new AppError('PAGE_FOREIGN', FOREIGN)
}
