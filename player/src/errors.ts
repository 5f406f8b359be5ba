import type { Problem, ProblemKind } from './engine.ts'

/** What the viewer reads: a short title and a sentence that says what happens next. */
export type Explanation = { readonly title: string; readonly text: string }

const explanations: Readonly<Record<ProblemKind | 'away' | 'waiting' | 'nothing', Explanation>> = {
  'not-started': { title: 'Not on air yet', text: 'The stream has not started. It will play here as soon as it does.' },
  gone: { title: 'No longer available', text: 'This stream has ended and its recording has been removed.' },
  forbidden: { title: 'Not allowed', text: 'The server refuses to show this stream here. Its link may have expired.' },
  network: { title: 'Can’t reach the server', text: 'Please check the connection. Playback goes on by itself.' },
  server: { title: 'The server has a problem', text: 'It could not send the stream. Playback goes on by itself.' },
  cors: { title: 'Blocked by the browser', text: 'The server does not allow this page to read the stream (CORS).' },
  manifest: { title: 'Not a stream', text: 'What the server sent is not a manifest that this player can read.' },
  codec: { title: 'Format not supported', text: 'This browser can’t decode the stream’s video or audio format.' },
  decode: {
    title: 'Playback failed',
    text: 'The browser could not decode a piece of the stream. Playback starts afresh.',
  },
  unsupported: { title: 'Browser not supported', text: 'This browser has no Media Source Extensions to play with.' },
  away: {
    title: 'Be right back',
    text: 'The encoder is away for a moment. Playback goes on by itself when it returns.',
  },
  waiting: {
    title: 'Waiting for the stream',
    text: 'Nothing new has arrived for a while. Playback goes on by itself.',
  },
  nothing: { title: 'Nothing to play', text: 'Paste the address of an HLS, DASH or Smooth Streaming manifest below.' },
}

export function explain(kind: keyof typeof explanations): Explanation {
  return explanations[kind]
}

/** The problem that a manifest's or a segment's HTTP status stands for; 0 is a request that got no answer. */
export function problemOfStatus(status: number, technical: string): Problem {
  const kind = kindOfStatus(status)
  return status > 0 ? { kind, status, technical } : { kind, technical }
}

function kindOfStatus(status: number): ProblemKind {
  if (status === 410) return 'gone'
  if (status === 401 || status === 403) return 'forbidden'
  if (status === 404 || status === 412 || status === 503) return 'not-started'
  if (status === 400) return 'manifest'
  if (status >= 500) return 'server'
  return 'network'
}

/**
 * Browsers don't tell a refused cross-origin read from a dead network. A request whose answer nobody may read gets through in
 * the first case and fails in the second.
 */
export async function tellCorsFromNetwork(problem: Problem, url: string): Promise<Problem> {
  if (problem.kind !== 'network' || problem.status !== undefined) return problem
  if (new URL(url, location.href).origin === location.origin) return problem
  try {
    await fetch(url, { mode: 'no-cors', cache: 'no-store', signal: AbortSignal.timeout(4_000) })
    return { ...problem, kind: 'cors' }
  } catch {
    return problem
  }
}
