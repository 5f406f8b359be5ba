import type { RequestHandler } from 'express'
import helmet, { type HelmetOptions } from 'helmet'

type Framing = 'anywhere' | 'nowhere'

/**
 * Headers for what browsers show. Manifests and media come from another port or host, and a viewer may paste any address, so
 * connections are open; code comes from here only. No upgrade of requests to TLS: the listener may be plain HTTP. No HSTS:
 * it would bind every port of the host name, other people's services too.
 */
function options(framing: Framing): HelmetOptions {
  return {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'none'"],
        'script-src': ["'self'"],
        // The controls' shadow roots carry their styles inline.
        'style-src': ["'self'", "'unsafe-inline'"],
        'img-src': ["'self'", 'data:', 'blob:'],
        'connect-src': ["'self'", 'http:', 'https:'],
        // hls.js hangs the times that stand in packed audio and in date ranges on an empty `data:` track.
        'media-src': ["'self'", 'blob:', 'data:', 'http:', 'https:'],
        'worker-src': ["'self'", 'blob:'],
        'manifest-src': ["'self'"],
        'base-uri': ["'none'"],
        'form-action': ["'self'"],
        'frame-ancestors': [framing === 'anywhere' ? '*' : "'none'"],
      },
    },
    // Browsers ignore these two, loudly, on plain HTTP from another machine.
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    strictTransportSecurity: false,
    crossOriginResourcePolicy: { policy: framing === 'anywhere' ? 'cross-origin' : 'same-origin' },
    ...(framing === 'anywhere' ? { xFrameOptions: false } : { xFrameOptions: { action: 'deny' } }),
  }
}

/** For everything that has no business in a frame. */
export const closedPage: RequestHandler = helmet(options('nowhere'))

/** For the player, which other sites may embed. */
export const embeddablePage: RequestHandler = helmet(options('anywhere'))
