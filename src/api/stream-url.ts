import type { StreamAddress } from './ports.ts'

const FALLBACK_HOST = 'localhost'

/** The host name (IPv6 in brackets) of a `Host` header, without its port. What is no host name becomes `localhost`. */
function hostnameOf(hostHeader: string | undefined): string {
  if (hostHeader === undefined || !/^[\w.:[\]-]+$/.test(hostHeader)) return FALLBACK_HOST
  const url = URL.parse(`http://${hostHeader}/`)
  return url?.hostname || FALLBACK_HOST
}

/** The URL of `address` as somebody who reached us under `hostHeader` can use it. */
export function streamUrl(address: StreamAddress, hostHeader: string | undefined): string {
  if (typeof address === 'string') return address
  return `${address.secure ? 'https' : 'http'}://${hostnameOf(hostHeader)}:${address.port}${address.path}`
}
