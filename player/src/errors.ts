import type { Problem, ProblemKind } from './engine.ts'

/** What the viewer reads: a short title and a sentence that says what happens next. */
export type Explanation = { readonly title: string; readonly text: string }

const explanations: Readonly<Record<ProblemKind | 'insecure' | 'away' | 'waiting' | 'nothing', Explanation>> = {
  'not-started': { title: 'Not on air yet', text: 'The stream has not started. It will play here as soon as it does.' },
  gone: { title: 'No longer available', text: 'This stream has ended and its recording has been removed.' },
  forbidden: { title: 'Not allowed', text: 'The server refuses to show this stream here. Its link may have expired.' },
  licence: { title: 'Key refused', text: 'The server does not give this player the key of the stream.' },
  undecryptable: {
    title: 'Protected stream',
    text: 'This browser has no way to decrypt this stream.',
  },
  insecure: {
    title: 'Protected stream',
    text: 'Browsers decrypt on secure pages only: open this page by https:// or on localhost.',
  },
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

/** Why a key was refused, by the key door's word for it (`reason` of its problem document). */
const refusals: Readonly<Record<string, Explanation>> = {
  'token-missing': { title: 'Token needed', text: 'This stream is protected. Enter your token to watch it.' },
  'token-expired': { title: 'Token expired', text: 'The token has expired. Enter a new one to go on.' },
  'token-not-yet-valid': { title: 'Token not valid yet', text: 'The token is for a later time.' },
  'token-without-expiry': { title: 'Token refused', text: 'The token does not say when it expires, and must.' },
  'token-malformed': { title: 'Token not readable', text: 'This is no whole token. Was all of it copied?' },
  'token-oversized': { title: 'Token not readable', text: 'The token is longer than tokens are.' },
  'signature-invalid': { title: 'Token refused', text: 'The signature of the token is wrong.' },
  'issuer-wrong': { title: 'Token refused', text: 'The token comes from another issuer than this stream trusts.' },
  'audience-wrong': { title: 'Token refused', text: 'The token is for another audience.' },
  'claim-missing': { title: 'Token refused', text: 'The token does not include what this stream asks for.' },
  'claim-wrong': { title: 'Token refused', text: 'The token does not include this stream.' },
  'key-id-wrong': { title: 'Token refused', text: 'The token is for another stream.' },
  'verification-key-unknown': {
    title: 'Token refused',
    text: 'The token is signed with a key that its issuer does not publish.',
  },
  'address-not-allowed': {
    title: 'Not allowed from here',
    text: 'This stream may not be watched from your network address.',
  },
  'delivery-not-allowed': {
    title: 'Key refused',
    text: 'The server gives the key of this stream to other players only.',
  },
  'key-unknown': { title: 'Key not found', text: 'The server has no key for this stream any more.' },
  'key-not-yet': {
    title: 'Key not out yet',
    text: 'The key of the next period comes in a moment. Playback goes on by itself.',
  },
  'rate-limited': {
    title: 'Too many tries',
    text: 'Too many keys were asked for from your address. Playback goes on by itself.',
  },
  unavailable: {
    title: 'The server has a problem',
    text: 'It can’t give the key for the moment. Playback goes on by itself.',
  },
  'verification-keys-unavailable': {
    title: 'The server has a problem',
    text: 'It can’t check tokens for the moment. Playback goes on by itself.',
  },
}

/** Explains what a notice is about; of a refused key why it was. */
export function explain(kind: keyof typeof explanations, problem?: Problem): Explanation {
  const refusal = kind === 'licence' ? refusals[problem?.reason ?? ''] : undefined
  if (refusal) return refusal
  // Browsers give pages of plain HTTP nothing to decrypt with.
  if (kind === 'undecryptable' && !globalThis.isSecureContext) return explanations.insecure
  const { title, text } = explanations[kind]
  return { title, text: (kind === 'licence' && problem?.detail) || text }
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
