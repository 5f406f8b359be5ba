import type { TextCue, TextDocument } from './text-document.ts'

/** How the times of a segment's cues lie on the media's timeline (RFC 8216 §3.5). */
export type TimestampMap = { readonly localMs: number; readonly transportTicks: number }

/**
 * WebVTT of these cues, each at its time less `minusMs`, with the styles and regions of the document that they are of. What begins before that is at 0.
 */
export function writeWebVtt(
  cues: readonly TextCue[],
  { blocks }: Pick<TextDocument, 'blocks'>,
  { map, minusMs = 0 }: { readonly map?: TimestampMap; readonly minusMs?: number } = {},
): string {
  const header = map
    ? `WEBVTT\nX-TIMESTAMP-MAP=LOCAL:${vttTime(map.localMs)},MPEGTS:${map.transportTicks}\n`
    : 'WEBVTT\n'
  const texts = cues.map((cue) => cueText(cue, minusMs))
  // The empty line at the end is for readers that put segments together as they are.
  return `${[header, ...blocks.map((block) => `${block}\n`), ...texts].join('\n')}\n`
}

/** The header that a `wvtt` sample entry has: everything but cues. */
export function webVttHeader({ blocks }: Pick<TextDocument, 'blocks'>): string {
  return ['WEBVTT', ...blocks].join('\n\n')
}

/** `HH:MM:SS.mmm`. */
export function vttTime(milliseconds: number): string {
  const whole = Math.max(0, Math.round(milliseconds))
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const rest = String(whole % 1_000).padStart(3, '0')
  return `${two(whole / 3_600_000)}:${two((whole / 60_000) % 60)}:${two((whole / 1_000) % 60)}.${rest}`
}

/** Cue text as it may stand in a file: an arrow or an empty line would end it. */
export function safeCueText(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/\n{2,}/g, '\n')
    .replace(/^\n|\n$/g, '')
    .replaceAll('-->', '--&gt;')
}

function cueText({ startMs, endMs, id, settings, text }: TextCue, minusMs: number): string {
  const name = id === undefined ? '' : `${id.replace(/[\r\n]/g, ' ').replaceAll('-->', '->')}\n`
  const times = `${vttTime(startMs - minusMs)} --> ${vttTime(endMs - minusMs)}`
  return `${name}${times}${settings === undefined ? '' : ` ${settings}`}\n${safeCueText(text)}\n`
}
