import { FormatError } from '../../lib/errors.ts'
import { decodeText } from './decode-text.ts'
import { inOrder, TEXT_LIMITS, type TextCue, type TextDocument } from './text-document.ts'

const SIGNATURE = /^WEBVTT(?:[ \t]|$)/
const ARROW = '-->'
const TIME = '(?:(\\d{2,6}):)?([0-5]\\d):([0-5]\\d)\\.(\\d{3})'
const TIMING = new RegExp(`^[ \\t]*${TIME}[ \\t]*-->[ \\t]*${TIME}(?:[ \\t]+(.*))?$`)
const SETTINGS: Readonly<Record<string, RegExp>> = {
  vertical: /^(rl|lr)$/,
  line: /^(-?\d{1,4}(\.\d{1,6})?|\d{1,3}(\.\d{1,6})?%)(,(start|center|end))?$/,
  position: /^\d{1,3}(\.\d{1,6})?%(,(line-left|center|line-right))?$/,
  size: /^\d{1,3}(\.\d{1,6})?%$/,
  align: /^(start|center|end|left|right)$/,
  region: /^[\x21-\x7e]{1,64}$/,
}

/**
 * Reads WebVTT (W3C WebVTT §4, §6): cues with their settings, STYLE and REGION blocks; NOTE blocks are left out. A cue whose times can't be read or
 * that ends before it begins is counted in `skipped`.
 *
 * @throws FormatError where it is no WebVTT, or larger than `TEXT_LIMITS`
 */
export function parseWebVtt(bytes: Uint8Array): TextDocument {
  const text = decodeText(bytes, 'webvtt').replace(/\0/g, '\ufffd').replace(/\r\n?/g, '\n')
  const lines = text.split('\n')
  if (!SIGNATURE.test(lines[0] ?? '')) throw new FormatError('webvtt', 0, 'it does not begin with WEBVTT')
  const reader = new BlockReader()
  let at = 1
  // What the header says beside the signature means nothing here.
  while (at < lines.length && lines[at] !== '' && !lines[at]?.includes(ARROW)) at++
  while (at < lines.length) {
    if (lines[at] === '') {
      at++
      continue
    }
    const end = endOfBlock(lines, at)
    reader.take(lines.slice(at, end), end)
    at = end
  }
  return reader.finish()
}

/** Cue settings without what WebVTT doesn't know (§6.3); `undefined` where nothing is left. */
export function knownSettings(text: string): string | undefined {
  if (text.length > 1_024) return undefined
  const kept = text.split(/[ \t]+/).filter((setting) => {
    const colon = setting.indexOf(':')
    const name = setting.slice(0, Math.max(0, colon))
    return Object.hasOwn(SETTINGS, name) && SETTINGS[name]?.test(setting.slice(colon + 1))
  })
  return kept.length === 0 ? undefined : kept.join(' ')
}

/** A block ends at an empty line, or where the times of another cue stand. */
function endOfBlock(lines: readonly string[], start: number): number {
  const isTimed = lines[start]?.includes(ARROW) || (lines[start + 1]?.includes(ARROW) ?? false)
  const firstContent = lines[start]?.includes(ARROW) ? start + 1 : start + (isTimed ? 2 : 1)
  let end = firstContent
  while (end < lines.length && lines[end] !== '' && !lines[end]?.includes(ARROW)) end++
  return end
}

class BlockReader {
  readonly #cues: TextCue[] = []
  readonly #blocks: string[] = []
  #blockCharacters = 0
  #skipped = 0

  take(block: readonly string[], line: number): void {
    const [first = '', second = ''] = block
    if (first.includes(ARROW)) this.#cue(undefined, first, block.slice(1), line)
    else if (second.includes(ARROW)) this.#cue(first, second, block.slice(2), line)
    else if (this.#cues.length === 0 && /^(STYLE|REGION)[ \t]*$/.test(first)) this.#style(block, line)
  }

  finish(): TextDocument {
    return { cues: inOrder(this.#cues), blocks: this.#blocks, skipped: this.#skipped }
  }

  #style(block: readonly string[], line: number): void {
    const text = block.join('\n')
    this.#blockCharacters += text.length
    if (this.#blockCharacters > TEXT_LIMITS.blockCharacters) {
      throw new FormatError('webvtt', line, `more than ${TEXT_LIMITS.blockCharacters} characters of styles`)
    }
    this.#blocks.push(text)
  }

  #cue(id: string | undefined, timing: string, content: readonly string[], line: number): void {
    const match = TIMING.exec(timing)
    const text = content.join('\n')
    const startMs = match ? millisecondsOf(match, 1) : 0
    const endMs = match ? millisecondsOf(match, 5) : 0
    if (!match || endMs <= startMs || text.length > TEXT_LIMITS.cueCharacters) {
      this.#skipped++
      return
    }
    if (this.#cues.length === TEXT_LIMITS.cues) {
      throw new FormatError('webvtt', line, `more than ${TEXT_LIMITS.cues} cues`)
    }
    const settings = knownSettings(match[9] ?? '')
    const isNamed = id !== undefined && id.length <= 1_024
    this.#cues.push({ startMs, endMs, text, ...(isNamed && { id }), ...(settings !== undefined && { settings }) })
  }
}

function millisecondsOf(match: RegExpExecArray, at: number): number {
  const [hours, minutes, seconds, fraction] = match.slice(at, at + 4).map((digits) => Number(digits ?? 0))
  return (((hours ?? 0) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0)) * 1_000 + (fraction ?? 0)
}
