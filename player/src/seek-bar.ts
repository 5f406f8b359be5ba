import type { Engine, TimeRange } from './engine.ts'
import { clockText } from './format.ts'

const KEY_STEP_S = 5
/** Closer than this to the live position is live. */
const LIVE_TOLERANCE_S = 4

type SeekElements = {
  readonly video: HTMLVideoElement
  readonly range: HTMLInputElement
  readonly bubble: HTMLOutputElement
  readonly live: HTMLButtonElement
  readonly behind: HTMLElement
}

/** The position bar over the seekable window, the "-mm:ss" beside it and the live button's state. */
export class SeekBar {
  readonly #ui: SeekElements
  readonly #seekToLive: () => void
  #engine: Engine | undefined
  #dragging = false

  constructor(ui: SeekElements, seekToLive: () => void) {
    this.#ui = ui
    this.#seekToLive = seekToLive
    ui.live.addEventListener('click', seekToLive)
    ui.range.addEventListener('input', () => {
      this.#dragging = true
      this.render(this.#engine)
    })
    ui.range.addEventListener('change', () => this.#release())
    ui.range.addEventListener('keydown', (event) => this.#onKey(event))
    ui.range.addEventListener('pointermove', (event) => this.#showBubble(event))
    ui.range.addEventListener('pointerleave', () => {
      ui.bubble.hidden = true
    })
  }

  render(engine: Engine | undefined): void {
    this.#engine = engine
    const { range, live, behind, video } = this.#ui
    const span = this.#span()
    range.disabled = span === undefined
    const isLive = engine?.isLive() ?? false
    live.hidden = !isLive
    if (!span) {
      behind.textContent = ''
      return
    }
    if (!this.#dragging) range.value = String(fraction(video.currentTime, span) * 1000)
    range.style.setProperty('--at', `${Number(range.value) / 10}%`)
    range.style.setProperty('--buffered', `${fraction(bufferedEnd(video), span) * 100}%`)
    const position = this.#position(span)
    const late = span.end - position
    const atEdge = isLive && late < LIVE_TOLERANCE_S
    live.dataset['edge'] = String(atEdge)
    const text = isLive ? `-${clockText(late)}` : `${clockText(position)} / ${clockText(span.end - span.start)}`
    behind.textContent = atEdge ? '' : text
    range.setAttribute('aria-valuetext', atEdge ? 'live' : text)
  }

  /** Live: up to the live position, so that the right end of the bar is "live". */
  #span(): TimeRange | undefined {
    const range = this.#engine?.seekRange()
    if (!range) return undefined
    const end = this.#engine?.livePosition() ?? range.end
    return end > range.start ? { start: range.start, end } : undefined
  }

  #position(span: TimeRange): number {
    if (!this.#dragging) return this.#ui.video.currentTime
    return span.start + (Number(this.#ui.range.value) / 1000) * (span.end - span.start)
  }

  #release(): void {
    const span = this.#span()
    if (span && this.#dragging) this.#seek(this.#position(span), span)
    this.#dragging = false
  }

  #seek(position: number, span: TimeRange): void {
    if (this.#engine?.isLive() && span.end - position < LIVE_TOLERANCE_S / 2) this.#seekToLive()
    else this.#ui.video.currentTime = Math.min(span.end, Math.max(span.start, position))
  }

  #onKey(event: KeyboardEvent): void {
    const step = { ArrowLeft: -KEY_STEP_S, ArrowRight: KEY_STEP_S }[event.key]
    const span = this.#span()
    if (step === undefined || !span) return
    event.preventDefault()
    event.stopPropagation()
    this.#seek(this.#ui.video.currentTime + step, span)
  }

  #showBubble(event: PointerEvent): void {
    const span = this.#span()
    const { range, bubble } = this.#ui
    const box = range.getBoundingClientRect()
    if (!span || box.width === 0) return
    const at = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width))
    const late = (1 - at) * (span.end - span.start)
    bubble.hidden = false
    bubble.style.left = `${at * 100}%`
    bubble.textContent = this.#engine?.isLive() ? `-${clockText(late)}` : clockText(at * (span.end - span.start))
  }
}

function fraction(time: number, span: TimeRange): number {
  return Math.min(1, Math.max(0, (time - span.start) / (span.end - span.start)))
}

function bufferedEnd(video: HTMLVideoElement): number {
  const { buffered, currentTime } = video
  for (let i = 0; i < buffered.length; i++) {
    if (buffered.start(i) <= currentTime + 0.1 && buffered.end(i) >= currentTime) return buffered.end(i)
  }
  return currentTime
}
