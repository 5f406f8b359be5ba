import type { SlateMedia, SlateWish } from '../../../src/channel/ports.ts'
import { otherVideo } from './channel-bench.ts'

const SLATE_ID = 900_000_000

/** A sample of a slate. */
export const isSlate = ({ id }: { readonly id: number }) => id >= SLATE_ID

function marked(number: number): Uint8Array {
  const data = new Uint8Array(32)
  new DataView(data.buffer).setUint32(0, SLATE_ID + number)
  return data
}

/** Coded as if by an encoder of another make, its frames numbered for the bench. */
export function slateOf({ frameRate, ...wish }: SlateWish): SlateMedia {
  const frames = Array.from({ length: Math.round(2 * frameRate) }, (_, at) => marked(at))
  return {
    video: wish.video && { config: otherVideo, frames, frameMs: 1_000 / frameRate },
    audio: wish.audio && { config: wish.audio, frame: marked(1_000), frameMs: 1_024_000 / wish.audio.sampleRate },
  }
}
