import Hls, {
  type ErrorData,
  ErrorDetails,
  type HlsConfig,
  type LoaderCallbacks,
  type LoaderConfiguration,
  type LoaderContext,
} from 'hls.js'
import type { Problem } from './engine.ts'
import { refusalOf, tokenHeaders, withoutIdentity } from './licence.ts'

type Token = () => string | undefined

/**
 * How protected streams are played: AES-128 keys and ClearKey licences are asked for with the token; a licence where `EXT-X-KEY` says, with
 * the key id that it says, so that a key of the next period is there before its first segment.
 */
export function protectionConfig(token: Token): Partial<HlsConfig> {
  return {
    loader: loaderWith(token),
    emeEnabled: true,
    drmSystems: {
      'org.w3.clearkey': {
        // Each request goes to the playlist's own URI; this is what the engine calls it in its messages.
        licenseUrl: 'the URI of EXT-X-KEY',
        generateRequest: (type, data, { decryptdata }) => {
          const { keyId } = decryptdata
          return keyId ? { initDataType: 'keyids', initData: keyIds(keyId) } : { initDataType: type, initData: data }
        },
      },
    },
    licenseXhrSetup: (xhr, _url, { decryptdata }) => {
      xhr.open('POST', decryptdata.uri)
      for (const [name, value] of Object.entries(tokenHeaders(token()))) xhr.setRequestHeader(name, value)
    },
  }
}

/** Initialization data of the type `keyids` (W3C, "keyids" Initialization Data Format). */
function keyIds(keyId: Uint8Array): ArrayBuffer {
  const kid = btoa(String.fromCharCode(...keyId))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
  return new TextEncoder().encode(JSON.stringify({ kids: [kid] })).buffer
}

function loaderWith(token: Token): HlsConfig['loader'] {
  return class extends Hls.DefaultConfig.loader {
    override load(
      context: LoaderContext,
      config: LoaderConfiguration,
      callbacks: LoaderCallbacks<LoaderContext>,
    ): void {
      if ('keyInfo' in context) {
        super.load(Object.assign(context, { headers: tokenHeaders(token()) }), config, callbacks)
        return
      }
      const onSuccess: typeof callbacks.onSuccess = (response, ...rest) => {
        const { data } = response
        if (typeof data === 'string') response.data = withoutIdentity(data)
        callbacks.onSuccess(response, ...rest)
      }
      super.load(context, config, { ...callbacks, onSuccess })
    }
  }
}

/** The problem of a key that was refused, whatever the engine would do about it: no other rendition has another key. */
export function keyRefusalOf({ details, response, networkDetails, error }: ErrorData): Problem | undefined {
  const isKey = details === ErrorDetails.KEY_LOAD_ERROR || details === ErrorDetails.KEY_SYSTEM_LICENSE_REQUEST_FAILED
  const status = response?.code ?? 0
  if (!isKey || status < 400 || status >= 500) return undefined
  const body = networkDetails instanceof XMLHttpRequest ? networkDetails.response : undefined
  return refusalOf(status, body, `${details}: ${error.message}`)
}
