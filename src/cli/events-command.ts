import { WebSocket } from 'ws'
import { systemClock } from '../lib/clock.ts'
import { type ApiClient, ApiError, type Json } from './api-client.ts'
import { type Command, type Output, text } from './command.ts'

const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 10_000
/** Close codes after which another attempt would meet the same: revoked, and a position that is no longer kept. */
const FINAL_CODES: readonly number[] = [1008, 4001, 4010]

type End = { readonly code: number; readonly reason: string; readonly opened: boolean }

function line(event: Json): string {
  const subject = event['subject'] as Json
  const name = text(subject, 'name') || text(subject, 'id')
  const data = event['data'] as Json
  const said = Object.entries(data)
    .filter(([, value]) => typeof value !== 'object')
    .map(([key, value]) => `${key}=${String(value)}`)
  return [text(event, 'time'), text(event, 'type').padEnd(28), name, ...said].join('  ')
}

/** One connection, to its end. */
function follow(
  url: string,
  headers: Record<string, string>,
  { signal, ...output }: Output,
  seen: (event: Json) => void,
): Promise<End> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { headers, handshakeTimeout: LONGEST_RETRY_MS })
    let opened = false
    const onAbort = () => socket.close(1000)
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('open', () => {
      opened = true
      if (signal.aborted) socket.close(1000)
    })
    socket.on('message', (message) => {
      const event = JSON.parse(String(message)) as Json
      if (event['type'] === undefined) return
      seen(event)
      output.write(output.isJson ? JSON.stringify(event) : line(event))
    })
    socket.on('unexpected-response', (_request, response) => {
      socket.terminate()
      signal.removeEventListener('abort', onAbort)
      if (response.statusCode === 503) resolve({ code: 503, reason: 'Headend is not ready', opened })
      else reject(new ApiError(`Headend refused the events: ${response.statusCode} ${response.statusMessage}.`))
    })
    socket.on('error', () => undefined)
    socket.on('close', (code, reason) => {
      signal.removeEventListener('abort', onAbort)
      resolve({ code, reason: String(reason), opened })
    })
  })
}

async function tail(api: ApiClient, query: URLSearchParams, output: Output): Promise<void> {
  let retryMs = FIRST_RETRY_MS
  while (!output.signal.aborted) {
    const url = `${api.url.replace(/^http/, 'ws')}/v1/events?${query}`
    const end = await follow(url, await api.headers(), output, (event) => query.set('after', text(event, 'id')))
    if (output.signal.aborted) return
    if (FINAL_CODES.includes(end.code)) throw new ApiError(`Headend ended the events: ${end.reason || end.code}.`)
    retryMs = end.opened ? FIRST_RETRY_MS : Math.min(LONGEST_RETRY_MS, retryMs * 2)
    await systemClock.sleep(retryMs, output.signal).catch(() => undefined)
  }
}

/** `headend events tail`. */
export const eventCommands: readonly Command[] = [
  {
    usage: 'events tail',
    help: 'Print what happens, until Ctrl-C; a broken connection is taken up where it ended.',
    options: {
      type: { type: 'string', value: 'TYPES', help: 'only these, for example channel.*,program.state-changed' },
      after: { type: 'string', value: 'EVENT', help: 'begin after this event (ev_…)' },
    },
    async run({ options }, api, output) {
      const query = new URLSearchParams()
      if (typeof options['type'] === 'string') query.set('types', options['type'])
      if (typeof options['after'] === 'string') query.set('after', options['after'])
      await tail(api, query, output)
      return undefined
    },
  },
]
