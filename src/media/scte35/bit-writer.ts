/** Writes bits, the most significant first. */
export class BitWriter {
  readonly #bytes: number[] = []
  #bit = 0

  /** The low `count` bits of an unsigned integer below 2^53; `count` is 0..53. */
  bits(value: number, count: number): void {
    for (let left = count; left > 0; ) {
      if (this.#bit === 0) this.#bytes.push(0)
      const taken = Math.min(8 - this.#bit, left)
      const piece = Math.floor(value / 2 ** (left - taken)) % 2 ** taken
      const at = this.#bytes.length - 1
      this.#bytes[at] = (this.#bytes[at] ?? 0) | (piece << (8 - this.#bit - taken))
      this.#bit = (this.#bit + taken) % 8
      left -= taken
    }
  }

  flag(value: boolean): void {
    this.bits(value ? 1 : 0, 1)
  }

  /** Bits that stand for nothing are ones (SCTE 35 §5.2). */
  reserved(count: number): void {
    this.bits(2 ** count - 1, count)
  }

  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) this.bits(byte, 8)
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}
