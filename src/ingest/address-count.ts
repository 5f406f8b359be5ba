import type { ConnectionLimit } from './ports.ts'

/** Counts open connections in all and per address, and says which limit one more would pass. */
export class AddressCount {
  readonly #maxAll: number
  readonly #maxPerAddress: number
  readonly #perAddress = new Map<string, number>()
  #all = 0

  constructor(maxAll: number, maxPerAddress: number) {
    this.#maxAll = maxAll
    this.#maxPerAddress = maxPerAddress
  }

  /** Counts one more; or counts nothing, and names the limit. */
  open(address: string): ConnectionLimit | undefined {
    if (this.#all >= this.#maxAll) return 'connections'
    const count = this.#perAddress.get(address) ?? 0
    if (count >= this.#maxPerAddress) return 'connections-per-address'
    this.#all += 1
    this.#perAddress.set(address, count + 1)
    return undefined
  }

  close(address: string): void {
    this.#all -= 1
    const count = (this.#perAddress.get(address) ?? 1) - 1
    if (count > 0) this.#perAddress.set(address, count)
    else this.#perAddress.delete(address)
  }
}
