import type { KeyTracks } from '../domain/track-keys.ts'
import type { Clock } from '../lib/clock.ts'
import type { CpixKeyWish, IntendedTracks } from './cpix/cpix-request.ts'
import type { KeyProvider, KeyWish, PeriodWish, ProvidedKey } from './key-provider.ts'
import { PeriodKeys, type PeriodShelf } from './period-keys.ts'
import type { SpekeClient } from './speke-client.ts'

const TRACKS: Readonly<Record<KeyTracks, IntendedTracks>> = {
  video: 'VIDEO',
  'video-sd': 'SD',
  'video-hd': 'HD',
  'video-uhd': 'UHD',
  audio: 'AUDIO',
}

/**
 * Gets keys from a provider that speaks SPEKE v2: also that of each period of a key that rotates, some ahead in the same document, and kept on the
 * shelf.
 */
export function spekeKeyProvider(client: Pick<SpekeClient, 'keys'>, clock: Clock, shelf: PeriodShelf): KeyProvider {
  const fetch = async (wish: KeyWish, kids: readonly PeriodWish[], signal: AbortSignal): Promise<ProvidedKey[]> => {
    const keys = kids.map(({ kid, startMs }) => wishOf(wish, kid, startMs))
    const found = await client.keys({ contentId: wish.contentId ?? wish.keyId, keys }, signal)
    return found.map(({ value, signalling }) => (signalling.length === 0 ? { value } : { value, signalling }))
  }
  const periods = new PeriodKeys(fetch, clock, shelf)
  return {
    async keyOf(wish, signal) {
      const [key] = await fetch(wish, [{ kid: wish.keyId }], signal)
      // One was asked for, and the client gives as many.
      return key as ProvidedKey
    },
    periodKeyOf: (wish, period, signal) => periods.keyOf(wish, period, signal),
  }
}

/** Periods are numbered by their begin, in seconds: the same number for the same KID whenever it is asked for. */
function wishOf({ kind, tracks }: KeyWish, kid: string, startMs: number | undefined): CpixKeyWish {
  return {
    kid,
    ...((kind === 'cenc' || kind === 'cbcs') && { scheme: kind }),
    tracks: tracks?.map((one) => TRACKS[one]) ?? ['ALL'],
    ...(startMs !== undefined && { periodIndex: Math.floor(startMs / 1_000) }),
  }
}
