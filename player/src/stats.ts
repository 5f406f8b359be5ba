import type { Engine } from './engine.ts'
import { bitrateText, secondsText } from './format.ts'

/** Seconds of media buffered ahead of the position. */
export function bufferedAheadS(video: HTMLVideoElement): number {
  const { buffered, currentTime } = video
  for (let i = 0; i < buffered.length; i++) {
    if (buffered.start(i) <= currentTime + 0.1 && buffered.end(i) > currentTime) return buffered.end(i) - currentTime
  }
  return 0
}

export function droppedFrames(video: HTMLVideoElement): number {
  return video.getVideoPlaybackQuality().droppedVideoFrames
}

type StatsInput = { readonly video: HTMLVideoElement; readonly engine: Engine | undefined; readonly stalls: number }

function rows({ video, engine, stalls }: StatsInput): readonly (readonly [string, string])[] {
  const quality = video.getVideoPlaybackQuality()
  const active = engine?.renditions()[engine.active()]
  const bandwidth = engine?.bandwidthBps()
  const latency = engine?.latencyS()
  return [
    ['Protocol', engine ? `${engine.protocol.toUpperCase()} · ${engine.player}` : '–'],
    ['Resolution', video.videoWidth > 0 ? `${video.videoWidth} × ${video.videoHeight}` : '–'],
    ['Bitrate', active ? bitrateText(active.bitrateBps) : '–'],
    ['Network', bandwidth === undefined ? '–' : bitrateText(bandwidth)],
    ['Buffer', secondsText(bufferedAheadS(video))],
    ['Latency', latency === undefined ? '–' : secondsText(latency)],
    ['Dropped', `${quality.droppedVideoFrames} of ${quality.totalVideoFrames}`],
    ['Stalls', String(stalls)],
  ]
}

/** Fills the statistics overlay. */
export function renderStats(list: HTMLElement, input: StatsInput): void {
  list.replaceChildren(
    ...rows(input).map(([name, value]) => {
      const row = document.createElement('div')
      const term = document.createElement('dt')
      const detail = document.createElement('dd')
      term.textContent = name
      detail.textContent = value
      row.append(term, detail)
      return row
    }),
  )
}
