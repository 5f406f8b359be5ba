import { lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { isPublicAddress } from '../domain/public-address.ts'
import { AppError } from '../lib/errors.ts'

function refusal(what: string): AppError {
  return new AppError(
    'TARGET_REFUSED',
    `${what} is not a public address; the configuration does not allow others (storage.allowPrivateEndpoints).`,
  )
}

/** That a URL's host is no address that is not public. A name is looked at when it is looked up. @throws AppError `TARGET_REFUSED` */
export function assertPublicHost(url: string): void {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0 ? !isPublicAddress(host) : /(^|\.)localhost$/.test(host)) throw refusal(host)
}

/** Looks names up as sockets do, and fails for one with an address that is not public, whatever its others are. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    if (error) return callback(error, '')
    const refused = found.find(({ address }) => !isPublicAddress(address))
    if (refused) return callback(refusal(`${hostname} resolves to ${refused.address}, which`), '')
    if (options.all) return callback(null, found)
    const [first] = found
    if (first) callback(null, first.address, first.family)
    else callback(Object.assign(new Error(`${hostname} has no address.`), { code: 'ENOTFOUND' }), '')
  })
}
