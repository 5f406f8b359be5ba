/**
 * What running channels are called in metrics: their names, which are unique in an account alone. One whose name is taken
 * by another account's has its id behind it.
 */
export class ChannelLabels {
  readonly #labels = new Map<string, string>()
  readonly #taken = new Map<string, string>()

  /** The label, from now on, of the channel with this name. */
  take(channelId: string, name: string): string {
    const holder = this.#taken.get(name)
    const label = holder === undefined || holder === channelId ? name : `${name}~${channelId}`
    if (this.#labels.get(channelId) !== label) this.drop(channelId)
    this.#labels.set(channelId, label)
    this.#taken.set(label, channelId)
    return label
  }

  of(channelId: string): string {
    return this.#labels.get(channelId) ?? channelId
  }

  /** The label that it had, which others may have now. */
  drop(channelId: string): string | undefined {
    const label = this.#labels.get(channelId)
    this.#labels.delete(channelId)
    if (label !== undefined) this.#taken.delete(label)
    return label
  }
}
