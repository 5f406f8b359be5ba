/** What a text is for: reading along, all that is heard, or what everybody has to read because the sound does not say it. */
export type TextRole = 'subtitle' | 'caption' | 'forced'

/** A text track that a player may choose. */
export type TextRendition = {
  /** Names its content, its name and where it lies in time, and nothing else: twelve characters that stand in URLs. */
  readonly id: string
  /** What a player lists it as; no two texts of a view have the same. */
  readonly name: string
  /** BCP 47; absent where undetermined. */
  readonly language?: string
  readonly role: TextRole
  /** What it is in fragments where nobody asks for another form: what comes nearest to its source. */
  readonly codec: 'wvtt' | 'stpp'
  /** Bits per second. */
  readonly bandwidth: number
  /** Where its time 0 lies, 90 kHz. */
  readonly zeroTicks: number
}
