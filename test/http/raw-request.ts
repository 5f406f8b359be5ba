import { type Agent, request } from 'node:http'

export type RawAnswer = { status: number; headers: NodeJS.Dict<string | string[]>; body: Buffer }

/** One request with nothing added or unpacked, unlike `fetch`. */
export function rawRequest(
  url: string,
  options: { method?: string; headers?: Record<string, string>; agent?: Agent; path?: string; body?: string } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const { body, ...rest } = options
    const outgoing = request(url, { agent: false, timeout: 5_000, ...rest }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks) }),
      )
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in 5 s')))
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
