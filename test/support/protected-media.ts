import { spawn } from 'node:child_process'
import { concatBytes } from '../../src/lib/bytes.ts'
import type { Track } from '../../src/presentation/records.ts'
import { protectFragments } from '../../src/protection/cenc/protect-fragments.ts'
import { protectInit } from '../../src/protection/cenc/protect-init.ts'
import type { TrackProtection } from '../../src/protection/cenc/track-protection.ts'
import { type Media, Recording } from './recording.ts'

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))

export const KID = bytes('0123456789abcdef0123456789abcdef')
export const KEY = bytes('00112233445566778899aabbccddeeff')
export const IV = bytes('a0a1a2a3a4a5a6a7a8a9aaabacadaeaf')
export const CENC = { scheme: 'cenc', kid: KID, key: KEY, ivBase: [0x89abcdef, 0xfedcba98] } as const
export const CBCS = { scheme: 'cbcs', kid: KID, key: KEY, constantIv: IV } as const
export const PACKAGER = new URL(`../../node_modules/shaka-packager/bin/packager-linux-${process.arch}`, import.meta.url)
  .pathname

/** A recorded track, segment by segment. */
export type StoredTrack = { readonly track: Track; readonly segments: readonly Uint8Array[] }

/** Segments of a second, in fragments of nine samples. */
export function store(media: Media, startSeconds = 1_760_000_000): StoredTrack {
  const rendition = `${media.config.kind}-1`
  const options = { fragmentSamples: 9, segmentSeconds: 1, startSeconds }
  const recording = new Recording([{ rendition, media, atSeconds: 0 }], options)
  return { track: recording.presentation.track(1)!, segments: [...recording.bytes.values()] }
}

export function clearFile({ track, segments }: StoredTrack): Uint8Array {
  return concatBytes([track.init, ...segments])
}

export function protectedFile({ track, segments }: StoredTrack, protection: TrackProtection): Uint8Array {
  const encrypted = segments.map((segment) => protectFragments({ fragments: [segment] }, track, protection))
  return concatBytes([protectInit(track.init, track.config.kind, protection), ...encrypted])
}

/**
 * What ffmpeg decodes: a checksum for each frame, or what it complained of. It reads a pipe: of a file without an index it takes the
 * encryption of the last fragment for that of all (5.1).
 */
export function decoded(file: Uint8Array, key?: Uint8Array): Promise<string[]> {
  const args = key ? ['-decryption_key', Buffer.from(key).toString('hex')] : []
  return decodedOf(['-v', 'error', ...args, '-i', 'pipe:0', '-f', 'framemd5', '-'], file)
}

/** Runs ffmpeg with these arguments to its end; what it read may be broken. */
export function decodedOf(args: readonly string[], input: Uint8Array): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn('ffmpeg', args, { timeout: 60_000, killSignal: 'SIGKILL' })
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    child.stderr.resume()
    child.once('error', reject)
    // Who refuses what it reads closes its end, which is an answer too.
    child.stdin.on('error', () => child.stdin.destroy())
    child.once('close', () => {
      const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
      resolve(lines.map((line) => line.split(',').at(-1)!.trim()))
    })
    child.stdin.end(input)
  })
}
