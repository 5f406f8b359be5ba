import type { WatchPage } from './browser.ts'
import { type Encoder, startFfmpeg } from './ffmpeg.ts'

/** Blocks in a row, each a bit of the milliseconds since the epoch: about a minute, then it begins again. */
const BITS = 16
const PERIOD_MS = 2 ** BITS

/** Publishes, in real time, pictures with the wall clock at which each was made burnt into them, and a tone. */
export function publishClock(url: string): Encoder {
  const bit = `mod(floor(T*1000/pow(2\\,X))\\,2)`
  const clock = [
    `color=c=black:s=${BITS}x9:r=25,realtime,settb=1/1000,setpts=RTCTIME/1000`,
    `format=yuv420p,geq=lum='if(${bit}\\,235\\,16)':cb=128:cr=128`,
    'scale=320:180:flags=neighbor,setpts=N*40',
  ].join(',')
  const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '50', '-keyint_min', '50']
  return startFfmpeg([
    ...['-f', 'lavfi', '-i', clock, '-re', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000'],
    ...[...video, '-sc_threshold', '0', '-pix_fmt', 'yuv420p', '-r', '25', '-b:v', '500k'],
    ...['-c:a', 'aac', '-b:a', '64k', '-f', 'flv', url],
  ])
}

/** Looks at the picture every so often for a while: how old it was each time, in seconds, by the clock in it. */
export async function pictureAges(watch: WatchPage, seconds: number): Promise<readonly number[]> {
  const script = `new Promise((resolve) => {
    const video = document.querySelector('video')
    const canvas = new OffscreenCanvas(${BITS * 4}, 4)
    const context = canvas.getContext('2d', { willReadFrequently: true })
    const ages = []
    const end = performance.now() + ${seconds * 1_000}
    const look = () => {
      context.drawImage(video, 0, 0, ${BITS * 4}, 4)
      const pixels = context.getImageData(0, 0, ${BITS * 4}, 4).data
      let clock = 0
      for (let bit = 0; bit < ${BITS}; bit++) if (pixels[(${BITS * 4} + bit * 4 + 2) * 4] > 128) clock += 2 ** bit
      ages.push((Date.now() - clock) % ${PERIOD_MS} / 1000)
      if (performance.now() > end) resolve(ages)
      else setTimeout(look, 100)
    }
    look()
  })`
  return (await watch.page.evaluate(script)) as number[]
}
