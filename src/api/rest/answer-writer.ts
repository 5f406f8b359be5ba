import { pipeline } from 'node:stream/promises'
import type { Response } from 'express'
import { etagHeader } from './etag.ts'
import type { Answer } from './route.ts'

/** Sends what a handler answered. An entity's etag becomes the answer's. */
export function sendAnswer(response: Response, { status, body, headers = {}, stream }: Answer): void {
  response.status(status)
  const etag = typeof body === 'object' && body !== null && 'etag' in body ? body.etag : undefined
  if (typeof etag === 'string') response.set('ETag', etagHeader(etag))
  response.set('Cache-Control', 'no-store')
  response.set(headers)
  if (stream && response.req.method === 'HEAD') {
    stream.destroy()
    response.end()
    return
  }
  if (stream) {
    // A client that goes away, or a disk that fails after the head is out, ends the answer; there is nobody left to tell.
    pipeline(stream, response).catch(() => response.destroy())
    return
  }
  if (body === undefined) response.end()
  else if (headers['Content-Type']) response.send(typeof body === 'string' ? body : JSON.stringify(body))
  else response.json(body)
}
