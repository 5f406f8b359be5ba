import { get as getHttps } from 'node:https'
import type { Config } from '../config/schema.ts'
import { get as getHttp } from '../lib/http.ts'

const TIMEOUT_MS = 4_000

/** Asks the node that runs with this configuration on this machine whether it is alive: for a container's health check. */
export function checkHealth({ listen, tls }: Config): Promise<boolean> {
  const { host, port } = listen.control
  const everywhere = host === '0.0.0.0' || host === '::'
  const url = `${tls ? 'https' : 'http'}://${everywhere ? '127.0.0.1' : host}:${port}/healthz`
  return new Promise((resolve) => {
    const answered = ({ statusCode }: { statusCode?: number | undefined }) => resolve(statusCode === 200)
    const options = { timeout: TIMEOUT_MS, agent: false as const }
    // The certificate is for the name that viewers use, not for this address; what is asked here is whether it answers.
    const request = tls
      ? getHttps(url, { ...options, rejectUnauthorized: false }, answered)
      : getHttp(url, options, answered)
    request.once('error', () => resolve(false))
    request.once('timeout', () => request.destroy(new Error('no answer')))
  })
}
