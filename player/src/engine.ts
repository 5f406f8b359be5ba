/** Which of the two ways a stream is fetched. */
export type Protocol = 'hls' | 'dash'

/** What went wrong, as far as a viewer can use the difference. */
export type ProblemKind =
  | 'not-started'
  | 'gone'
  | 'forbidden'
  | 'licence'
  | 'undecryptable'
  | 'network'
  | 'server'
  | 'cors'
  | 'manifest'
  | 'codec'
  | 'decode'
  | 'unsupported'

/** What plays in the browser. */
export type PlayerName = 'hls.js' | 'dash.js' | 'shaka-player' | 'native'

/** A problem that ended playback. */
export type Problem = {
  readonly kind: ProblemKind
  /** The HTTP status, where there was one. */
  readonly status?: number
  readonly technical: string
  /** Of a refused key: the key door's word for why, and its sentence. */
  readonly reason?: string
  readonly detail?: string
}

/** One quality on offer. */
export type Rendition = {
  /** What `select` takes. */
  readonly index: number
  readonly width: number | undefined
  readonly height: number | undefined
  readonly bitrateBps: number
}

/** One text on offer. */
export type TextChoice = {
  /** What `selectText` takes. */
  readonly index: number
  readonly name: string
  readonly language: string
}

/** A stretch of the timeline in the video element's own seconds. */
export type TimeRange = { readonly start: number; readonly end: number }

export type EngineEvents = {
  /** The list of renditions or the choice among them has changed. */
  changed(): void
  /** Playback can't go on with this engine; it is to be destroyed. */
  failed(problem: Problem): void
  /** Whether to play as soon as there is something: not when the viewer has paused. */
  wantsPlayback(): boolean
  /** What the viewer shows to whoever gives keys. */
  token(): string | undefined
  /** Lies over the picture, for text that is no cue of the element. */
  textLayer(): HTMLElement
}

/** What plays one manifest in one video element until it is destroyed. */
export interface Engine {
  readonly protocol: Protocol
  readonly player: PlayerName
  renditions(): readonly Rendition[]
  /** The rendition on the screen, -1 while there is none. */
  active(): number
  /** The rendition that was chosen by hand, -1 for automatic. */
  selected(): number
  /** Switches to a rendition, or with -1 back to automatic. */
  select(index: number): void
  texts(): readonly TextChoice[]
  /** The text that is shown, -1 for none. */
  selectedText(): number
  /** Shows a text, or with -1 none. */
  selectText(index: number): void
  isLive(): boolean
  /** Where one can seek to; `undefined` before the first manifest. */
  seekRange(): TimeRange | undefined
  /** Where playback at the live edge is: behind the newest media by what the protocol advises. */
  livePosition(): number | undefined
  /** How far behind the newest media the protocol advises to play, in seconds; `undefined` while unknown. */
  liveDelayS(): number | undefined
  /** The newest stretch of listed media without a hole; `undefined` where there is none. */
  newestStretch(): TimeRange | undefined
  /** Seconds from capture to screen, by the manifest's wall clock. */
  latencyS(): number | undefined
  /** Measured throughput of the network. */
  bandwidthBps(): number | undefined
  /** The newest the manifest lists is a gap: the encoder is away. */
  inputAway(): boolean
  /** Though the input seems away, nothing was found for so long that another engine may do better; absent: it never seems so. */
  waitsInVain?(): boolean
  /** Asks at once for what the manifest lists now, where the engine would wait; as often as one likes. */
  lookAgain?(): void
  destroy(): void
}

/** Starts an engine on a paused video element; it plays as soon as it can, if the viewer wants it to. */
export type OpenEngine = (video: HTMLVideoElement, url: string, events: EngineEvents) => Engine
