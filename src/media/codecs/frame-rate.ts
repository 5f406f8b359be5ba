/** Faster than any camera that contributes; variable-rate encoders write their time base (1000 and more) instead of a rate. */
const MAX_FRAME_RATE = 480

/** `timeScale / unitsPerFrame` where that is a rate a picture can have, else `undefined`. */
export function plausibleFrameRate(timeScale: number, unitsPerFrame: number): number | undefined {
  const rate = timeScale / unitsPerFrame
  return rate >= 1 && rate <= MAX_FRAME_RATE ? rate : undefined
}

/** The optional `frameRate` property of a video configuration. */
export function frameRateProperty(frameRate: number | undefined): { frameRate?: number } {
  return frameRate === undefined ? {} : { frameRate }
}
