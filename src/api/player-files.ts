import { sep } from 'node:path'
import express, { type RequestHandler } from 'express'

/**
 * The built player. Files under `assets/` carry a digest in their name and never change; the page itself is asked for again each
 * time. What is not there falls through to the next handler.
 */
export function playerFiles(playerDir: string): RequestHandler {
  return express.static(playerDir, {
    cacheControl: false,
    setHeaders(response, path) {
      const hashed = path.includes(`${sep}assets${sep}`)
      response.setHeader('Cache-Control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache')
    },
  })
}
