/** What ffmpeg says of itself about once a second (`-progress`). */
export type Progress = {
  /** Media seconds made in a second; `undefined` before it knows. */
  readonly speed: number | undefined
  readonly fps: number | undefined
  readonly framesDropped: number
  readonly framesDuplicated: number
}

const MAX_PARTIAL_CHARS = 4096

function finite(text: string | undefined): number | undefined {
  const value = Number.parseFloat(text ?? '')
  return Number.isFinite(value) ? value : undefined
}

/** Reads `key=value` lines into a `Progress` for each block that `progress=` ends. */
export class ProgressReader {
  readonly #decoder = new TextDecoder()
  #partial = ''
  #fields = new Map<string, string>()

  /** The blocks that this piece completed. */
  push(chunk: Uint8Array): Progress[] {
    const lines = (this.#partial + this.#decoder.decode(chunk, { stream: true })).split('\n')
    this.#partial = (lines.pop() ?? '').slice(-MAX_PARTIAL_CHARS)
    const blocks: Progress[] = []
    for (const line of lines) {
      const at = line.indexOf('=')
      if (at <= 0) continue
      const key = line.slice(0, at)
      if (key === 'progress') {
        blocks.push(this.#block())
        this.#fields.clear()
      } else if (this.#fields.size < 100) {
        this.#fields.set(key, line.slice(at + 1).trim())
      }
    }
    return blocks
  }

  #block(): Progress {
    return {
      speed: finite(this.#fields.get('speed')),
      fps: finite(this.#fields.get('fps')),
      framesDropped: finite(this.#fields.get('drop_frames')) ?? 0,
      framesDuplicated: finite(this.#fields.get('dup_frames')) ?? 0,
    }
  }
}
