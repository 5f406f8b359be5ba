import type { TextCue, TextDocument, TtmlFrame } from './text-document.ts'
import { ttmlOfCueText } from './vtt-markup.ts'

/** What a document is written with where its cues were none of TTML: two regions, in which subtitles stand at the bottom or the top (IMSC 1.1 §8). */
const OWN_FRAME: TtmlFrame = {
  root: [
    '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"',
    'xmlns:tts="http://www.w3.org/ns/ttml#styling"',
    'ttp:contentProfiles="http://www.w3.org/ns/ttml/profile/imsc1.1/text" xml:space="preserve"',
  ].join(' '),
  rootName: 'tt',
  head: [
    '<head><styling><style xml:id="s" tts:fontFamily="proportionalSansSerif" tts:fontSize="100%" tts:color="white"',
    ' tts:textAlign="center"/></styling><layout>',
    '<region xml:id="bottom" tts:origin="10% 10%" tts:extent="80% 80%" tts:displayAlign="after"/>',
    '<region xml:id="top" tts:origin="10% 10%" tts:extent="80% 80%" tts:displayAlign="before"/>',
    '</layout></head>',
  ].join(''),
  prefix: '',
}
/** Cues whose line is above this, in per cent or lines, stand at the top. */
const TOP_PERCENT = 50
const TOP_LINES = 8

/**
 * A TTML document of these cues, of which each is shown from its time plus `plusMs` on, or from `fromMs` where that is later, to `toMs` at most:
 * the paragraphs of a TTML source as they were, in the frame of that; others as IMSC1.
 */
export function writeTtml(
  cues: readonly TextCue[],
  { frame = OWN_FRAME }: Pick<TextDocument, 'frame'>,
  language: string | undefined,
  { plusMs = 0, fromMs = 0, toMs = Number.POSITIVE_INFINITY } = {},
): string {
  const { root, rootName, head, prefix } = frame
  const named = /\sxml:lang=/.test(root) ? root : `${root} xml:lang="${language ?? ''}"`
  const paragraphs = cues.map((cue) => {
    const [begin, end] = [Math.max(fromMs, cue.startMs + plusMs), Math.min(toMs, cue.endMs + plusMs)]
    return paragraph(cue, `begin="${ttmlTime(begin)}" end="${ttmlTime(end)}"`)
  })
  const body = `<${prefix}body><${prefix}div>\n${paragraphs.join('\n')}\n</${prefix}div></${prefix}body>`
  return `<?xml version="1.0" encoding="UTF-8"?>\n${named}>${head}${body}</${rootName}>\n`
}

function paragraph({ ttml, text, settings }: TextCue, times: string): string {
  if (ttml !== undefined) return ttml.replace(/^<[^\s/>]+/, (tag) => `${tag} ${times}`)
  const align = /\balign:(start|center|end|left|right)\b/.exec(settings ?? '')?.[1]
  const aligned = align === undefined ? '' : ` tts:textAlign="${align}"`
  return `<p ${times} region="${regionOf(settings)}" style="s"${aligned}>${ttmlOfCueText(text)}</p>`
}

function regionOf(settings: string | undefined): 'top' | 'bottom' {
  const [, line, percent] = /\bline:(-?[\d.]+)(%?)/.exec(settings ?? '') ?? []
  if (line === undefined) return 'bottom'
  const number = Number(line)
  return number >= 0 && number < (percent === '%' ? TOP_PERCENT : TOP_LINES) ? 'top' : 'bottom'
}

/** `HH:MM:SS.mmm`, the hours with as many digits as they take. */
function ttmlTime(milliseconds: number): string {
  const whole = Math.max(0, Math.round(milliseconds))
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const seconds = `${two((whole / 1_000) % 60)}.${String(whole % 1_000).padStart(3, '0')}`
  return `${two(whole / 3_600_000)}:${two((whole / 60_000) % 60)}:${seconds}`
}
