/** The bytes that may be on their way to all clients at once. */
export class SendBudget {
  readonly #limitBytes: number
  #takenBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get takenBytes(): number {
    return this.#takenBytes
  }

  /** False when there is no room within `share` of the budget; something that is larger than the whole budget goes alone. */
  take(sizeBytes: number, share = 1): boolean {
    if (this.#takenBytes > 0 && this.#takenBytes + sizeBytes > this.#limitBytes * share) return false
    this.#takenBytes += sizeBytes
    return true
  }

  giveBack(sizeBytes: number): void {
    this.#takenBytes -= sizeBytes
  }
}
