import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request that a licence server was sent. */
export type SeenChallenge = {
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/**
 * A licence server that does as castLabs' DRMtoday and EZDRM document it, for those who pass challenges on to it. DRMtoday: `/license-proxy-widevine/cenc/`,
 * `/license-proxy-headerauth/drmtoday/RightsManager.asmx`, `/license-server-fairplay/`; the header `x-dt-custom-data` (the older name is
 * `dt-custom-data`) is the base64 of a JSON object with `userId`, `sessionId` and `merchant`, and 403 is what who lacks it gets. EZDRM: a query with `pX`, and
 * `customdata` for whoever asks who may.
 */
export async function startLicenceServer() {
  const seen: SeenChallenge[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://licences.test')
      const asked = {
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body: Buffer.concat(chunks),
      }
      seen.push(asked)
      const say = (status: number, type: string, body: string | Buffer) =>
        response.writeHead(status, { 'Content-Type': type, 'Set-Cookie': 'session=1' }).end(body)
      if (asked.path === '/silent') return
      if (asked.path === '/moved') return response.writeHead(302, { Location: '/license-proxy-widevine/cenc/' }).end()
      if (asked.path === '/huge') return say(200, 'application/octet-stream', Buffer.alloc(300_000))
      if (asked.path === '/cut') {
        response.writeHead(200, { 'Content-Length': '100' }).write('half')
        return response.socket?.destroy()
      }
      if (asked.path === '/broken') return say(500, 'text/plain', 'trouble within')
      if (request.method !== 'POST') return say(405, 'text/plain', 'POST it')
      if (asked.path.startsWith('/license-')) {
        if (!isCustomData(asked.headers['x-dt-custom-data'] ?? asked.headers['dt-custom-data'])) {
          return say(403, 'text/plain', 'no custom data')
        }
        const isSoap = asked.path.endsWith('.asmx')
        if (isSoap && !asked.headers['soapaction']?.includes('AcquireLicense'))
          return say(400, 'text/plain', 'no action')
        return say(200, isSoap ? 'text/xml; charset=utf-8' : 'application/octet-stream', licence(asked.body))
      }
      if (asked.path.startsWith('/ezdrm/')) {
        if (!/^[A-Z0-9]{6}$/.test(asked.query.get('pX') ?? '')) return say(404, 'text/plain', 'no profile')
        return say(200, 'application/octet-stream', licence(asked.body))
      }
      return say(404, 'text/plain', 'nothing here')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function isCustomData(header: string | string[] | undefined): boolean {
  if (typeof header !== 'string') return false
  const data = JSON.parse(Buffer.from(header, 'base64').toString('utf8'))
  return ['userId', 'sessionId', 'merchant'].every((name) => typeof data[name] === 'string' && data[name] !== '')
}

function licence(challenge: Buffer): Buffer {
  return Buffer.concat([Buffer.from('licence for '), challenge])
}
