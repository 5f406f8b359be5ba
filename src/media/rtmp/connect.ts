import { type AmfValue, asAmfObject } from './amf.ts'
import type { AmfWritable } from './amf0-writer.ts'

/** What a client says of itself in `connect` (Adobe RTMP 1.0 §7.2.1.1, Enhanced RTMP v2 "Enhancing NetConnection connect Command"). */
export type ConnectRequest = {
  /** Path of the URL without the stream's name; may carry a query. Never empty. */
  readonly app: string
  readonly tcUrl: string
  /** The encoder's name for itself. */
  readonly flashVer: string
  /** 0 or 3: which AMF the client wants to speak. */
  readonly objectEncoding: number
  /** The client speaks Enhanced RTMP. */
  readonly enhanced: boolean
  /** Capability bits of Enhanced RTMP v2; 0 when it has none. */
  readonly capsEx: number
}

/** Bits of `capsEx` (Enhanced RTMP v2). */
export const capabilityBit = { reconnect: 1, multitrack: 2, modEx: 4, timestampNanoOffset: 8 } as const

/** "Can forward": Headend stores and packages, it does not need to decode. */
const CAN_FORWARD = 4

const VIDEO_FOURCCS = ['avc1', 'hvc1', 'av01', 'vp09'] as const
const AUDIO_FOURCCS = ['mp4a', '.mp3', 'Opus', 'fLaC', 'ac-3', 'ec-3'] as const

const MAX_APP_LENGTH = 512
const MAX_URL_LENGTH = 2048
const MAX_ENCODER_LENGTH = 128

function textOf(value: AmfValue, maxLength: number): string {
  return typeof value === 'string' ? value.slice(0, maxLength) : ''
}

/** The path behind host and port of an RTMP URL, without the slash; empty when there is none. */
function pathOf(tcUrl: string): string {
  return /^[a-z]+:\/\/[^/]*\/(.*)$/is.exec(tcUrl)?.[1] ?? ''
}

/** Reads the command object of `connect`; `undefined` when no application can be made out. */
export function readConnect(commandObject: AmfValue): ConnectRequest | undefined {
  const object = asAmfObject(commandObject)
  if (!object) return undefined
  const tcUrl = textOf(object['tcUrl'], MAX_URL_LENGTH)
  const named = textOf(object['app'], MAX_APP_LENGTH + 1)
  const app = (named === '' ? pathOf(tcUrl) : named).replace(/^\/+|\/+$/g, '')
  if (app === '' || app.length > MAX_APP_LENGTH) return undefined
  const capsEx = object['capsEx']
  return {
    app,
    tcUrl,
    flashVer: textOf(object['flashVer'], MAX_ENCODER_LENGTH).replace(/\p{C}/gu, ''),
    objectEncoding: object['objectEncoding'] === 3 ? 3 : 0,
    enhanced: ['fourCcList', 'videoFourCcInfoMap', 'audioFourCcInfoMap', 'capsEx'].some((key) => key in object),
    capsEx: typeof capsEx === 'number' ? capsEx & 0xff : 0,
  }
}

function enhancedCapabilities(): { readonly [key: string]: AmfWritable } {
  const { reconnect, multitrack, modEx, timestampNanoOffset } = capabilityBit
  return {
    fourCcList: [...VIDEO_FOURCCS, ...AUDIO_FOURCCS],
    videoFourCcInfoMap: Object.fromEntries(VIDEO_FOURCCS.map((name) => [name, CAN_FORWARD])),
    audioFourCcInfoMap: Object.fromEntries(AUDIO_FOURCCS.map((name) => [name, CAN_FORWARD])),
    capsEx: reconnect | multitrack | modEx | timestampNanoOffset,
  }
}

/**
 * The two objects of the `_result` for `connect`. What we can do of Enhanced RTMP stands in both, as clients differ in where
 * they look, and only for a client that speaks it, since old ones are known to stumble over fields they don't know.
 */
export function connectResult(request: ConnectRequest): readonly [AmfWritable, AmfWritable] {
  const enhanced = request.enhanced ? enhancedCapabilities() : {}
  return [
    { fmsVer: 'FMS/3,5,7,7009', capabilities: 31, mode: 1, ...enhanced },
    {
      level: 'status',
      code: 'NetConnection.Connect.Success',
      description: 'Connection succeeded.',
      objectEncoding: request.objectEncoding,
      ...enhanced,
    },
  ]
}
