/** Where a publish wants to go. */
export type PublishName = { readonly app: string; readonly key: string; readonly layer: string }

/** The layer of an encoder that names none. */
export const DEFAULT_LAYER = 'default'

const KEY = /^[\x21-\x7e]{1,128}$/
const LAYER = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/
const MAX_LENGTH = 1024

type Part = { readonly segments: readonly string[]; readonly key: string | undefined }

/** Path segments, and the `key` of the query; `undefined` when the percent-encoding is broken. */
function split(text: string): Part | undefined {
  if (text.length > MAX_LENGTH) return undefined
  const mark = text.indexOf('?')
  const path = mark < 0 ? text : text.slice(0, mark)
  try {
    const segments = path
      .split('/')
      .filter((segment) => segment !== '')
      .map(decodeURIComponent)
    // Not URLSearchParams: it takes `+` for a space, and a key may have one.
    for (const pair of mark < 0 ? [] : text.slice(mark + 1).split(/[&?]/)) {
      if (pair.startsWith('key=')) return { segments, key: decodeURIComponent(pair.slice(4)) }
    }
    return { segments, key: undefined }
  } catch {
    return undefined
  }
}

function queryOf(url: string): string {
  const mark = url.indexOf('?')
  return mark < 0 ? '' : url.slice(mark)
}

/**
 * Key and layer out of what an encoder was given as server and stream key:
 *
 * - `rtmp://host/live` and `<key>`: layer `default`
 * - `rtmp://host/live/<key>` and `<name>`, or `rtmp://host/live` and `<key>/<name>`: layer `<name>`
 * - `?key=<key>` at the end of either, which leaves the name to the layer
 *
 * An empty name, `default` and `live` are the layer `default`. `undefined` when there is no key, or a part is not
 * acceptable: a key is up to 128 printable ASCII characters, a layer up to 64 letters, digits and `._~-`.
 */
export function parsePublishName(app: string, tcUrl: string, streamName: string): PublishName | undefined {
  const fromApp = split(app)
  const fromName = split(streamName)
  const fromUrl = split(queryOf(tcUrl))
  const first = fromApp?.segments[0]
  if (!fromApp || !fromName || first === undefined) return undefined
  const names = [...fromApp.segments.slice(1), ...fromName.segments]
  const key = fromName.key ?? fromApp.key ?? fromUrl?.key ?? names.shift()
  if (key === undefined || names.length > 1 || !KEY.test(key)) return undefined
  const name = names[0] ?? DEFAULT_LAYER
  const layer = name === 'live' ? DEFAULT_LAYER : name
  return LAYER.test(layer) ? { app: first, key, layer } : undefined
}

/** A key as a log line may show it: enough to tell two apart, too little to publish with. */
export function maskKey(key: string): string {
  return key.length < 12 ? '***' : `${key.slice(0, 3)}***`
}
