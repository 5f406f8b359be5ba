/** What a name becomes once its channel has used up its allowance. */
export const OVERFLOW_LABEL = 'other'

/**
 * Keeps a label's values few where a stranger can choose them: an encoder names its own layers, and thousands of names in
 * turn would be thousands of series. The first `perChannel` names of a channel pass, later ones become `other`.
 */
export class LabelLimit {
  readonly #perChannel: number
  readonly #names = new Map<string, Set<string>>()

  constructor(perChannel: number) {
    this.#perChannel = perChannel
  }

  admit(channel: string, name: string): string {
    const known = this.#names.get(channel) ?? new Set()
    this.#names.set(channel, known)
    if (known.has(name)) return name
    if (known.size >= this.#perChannel) return OVERFLOW_LABEL
    known.add(name)
    return name
  }

  forget(channel: string): void {
    this.#names.delete(channel)
  }
}
