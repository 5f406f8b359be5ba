import { AppError } from '../lib/errors.ts'
import type { TextForm } from '../manifest/text-uris.ts'

const FORMS: readonly TextForm[] = ['fragments', 'wvtt', 'stpp', 'file', 'none']

/**
 * How an MPD is to have its texts: `text=` of its URL's query. Left out, in fragments, WebVTT as `wvtt` and IMSC1 as `stpp`, which dash.js and
 * shaka-player both show.
 * @throws AppError `URL_INVALID` for anything else
 */
export function readTextForm(requestTarget: string): TextForm {
  const start = requestTarget.indexOf('?')
  if (start < 0) return 'fragments'
  const asked = new URLSearchParams(requestTarget.slice(start + 1).replace(/#.*$/, '')).get('text')
  const form = FORMS.find((known) => known === (asked ?? 'fragments'))
  if (form) return form
  throw new AppError('URL_INVALID', `The URL is malformed: text is ${FORMS.join(', ')}, or left out.`)
}
