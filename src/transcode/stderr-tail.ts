const MAX_LINES = 50
const MAX_CHARS = 8192
const MAX_LINE_CHARS = 500
const MAX_BYTES_PER_SECOND = 65_536

/** The last words of a child: its newest 50 lines, at most 8 KB. What it writes past 64 KB a second is read and let go. */
export class StderrTail {
  readonly #decoder = new TextDecoder()
  readonly #lines: string[] = []
  #sizeChars = 0
  #partial = ''
  #secondStartMs = Number.NEGATIVE_INFINITY
  #secondBytes = 0

  /** Takes what came at `nowMs` of a clock that never goes back. */
  push(chunk: Uint8Array, nowMs: number): void {
    if (nowMs - this.#secondStartMs >= 1000) {
      this.#secondStartMs = nowMs
      this.#secondBytes = 0
    }
    const room = MAX_BYTES_PER_SECOND - this.#secondBytes
    this.#secondBytes += chunk.byteLength
    if (room <= 0) return
    const text = this.#partial + this.#decoder.decode(chunk.subarray(0, room), { stream: true })
    const lines = text.split(/[\r\n]+/)
    this.#partial = (lines.pop() ?? '').slice(0, MAX_LINE_CHARS)
    for (const line of lines) if (line !== '') this.#keep(line.slice(0, MAX_LINE_CHARS))
  }

  #keep(line: string): void {
    this.#lines.push(line)
    this.#sizeChars += line.length
    while (this.#lines.length > MAX_LINES || this.#sizeChars > MAX_CHARS) {
      this.#sizeChars -= this.#lines.shift()?.length ?? 0
    }
  }

  /** Oldest first. */
  lines(): readonly string[] {
    return this.#partial === '' ? [...this.#lines] : [...this.#lines, this.#partial].slice(-MAX_LINES)
  }
}
