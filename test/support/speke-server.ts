import {
  constants,
  createCipheriv,
  createHash,
  createHmac,
  publicEncrypt,
  randomBytes,
  X509Certificate,
} from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { XMLParser } from 'fast-xml-parser'

/** What is done wrong, one at a time. */
export type SpekeFault =
  | 'wrong-mac'
  | 'missing-key'
  | 'doubled-key'
  | 'other-content'
  | 'other-scheme'
  | 'plain'
  | 'short-key'
  | 'zero-key'
  | 'other-recipient'
  | 'bad-base64'
  | 'bad-pssh'
  | 'playlist-lines'
  | 'other-method'
  | 'escaping-markup'
  | 'entities'
  | 'deep'
  | 'huge'
  | 'not-xml'
  | 'html'
  | 'silent'
  | 'refusing'

type Asked = {
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
  readonly kids: readonly string[]
}

const WIDEVINE = 'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed'
const PLAYREADY = '9a04f079-9840-4286-ab92-e65be0885f95'
const FAIRPLAY = '94ce86fb-07ff-4f43-adb8-93d2fa968ca2'
const KEY_FORMATS: Readonly<Record<string, string>> = {
  [WIDEVINE]: `urn:uuid:${WIDEVINE}`,
  [PLAYREADY]: 'com.microsoft.playready',
  [FAIRPLAY]: 'com.apple.streamingkeydelivery',
}
const ENC = 'http://www.w3.org/2001/04/xmlenc#'

/** The key that this provider has for a KID. */
export function spekeKeyOf(kid: string): Buffer {
  return createHash('sha256').update(`speke ${kid}`).digest().subarray(0, 16)
}

/** Its box for Widevine: the KID is all that it says. */
export function spekePsshOf(kid: string): Buffer {
  return boxOf(WIDEVINE, Buffer.concat([Buffer.from([0x12, 16]), Buffer.from(kid.replaceAll('-', ''), 'hex')]))
}

/** Its object for PlayReady: a licence server of its own is what tells it from any other. */
export function spekePlayReadyObjectOf(kid: string): Buffer {
  const guid = Buffer.from(kid.replaceAll('-', ''), 'hex')
  const value = Buffer.concat([
    guid.subarray(0, 4).reverse(),
    guid.subarray(4, 6).reverse(),
    guid.subarray(6, 8).reverse(),
    guid.subarray(8),
  ])
  const namespace = 'http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader'
  const header = Buffer.from(
    `<WRMHEADER xmlns="${namespace}" version="4.3.0.0"><DATA><PROTECTINFO><KIDS><KID VALUE="${value.toString('base64')}"></KID></KIDS></PROTECTINFO><LA_URL>https://provider.example/rightsmanager</LA_URL></DATA></WRMHEADER>`,
    'utf16le',
  )
  const head = Buffer.alloc(10)
  head.writeUInt32LE(head.byteLength + header.byteLength, 0)
  head.writeUInt16LE(1, 4)
  head.writeUInt16LE(1, 6)
  head.writeUInt16LE(header.byteLength, 8)
  return Buffer.concat([head, header])
}

function boxOf(systemId: string, data: Buffer): Buffer {
  const box = Buffer.alloc(32)
  box.writeUInt32BE(32 + data.byteLength, 0)
  box.write('pssh', 4)
  Buffer.from(systemId.replaceAll('-', ''), 'hex').copy(box, 12)
  box.writeUInt32BE(data.byteLength, 28)
  return Buffer.concat([box, data])
}

/**
 * A key provider that speaks SPEKE v2 as its specification and that of CPIX 2.3 have it: it fills in the document that it is sent, and encrypts content
 * keys for the certificate in it.
 */
export async function startSpekeServer(options: { readonly wrap?: 'oaep' | 'oaep-sha256' | 'pkcs1' } = {}) {
  const { wrap = 'oaep' } = options
  const seen: Asked[] = []
  let fault: SpekeFault | undefined
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8')
      const parsed = new XMLParser({ ignoreAttributes: false, removeNSPrefix: true, isArray: isList }).parse(text).CPIX
      const kids: string[] = parsed.ContentKeyList[0].ContentKey.map((key: Record<string, string>) => key['@_kid'])
      seen.push({ headers: request.headers, text, kids })
      const isSpeke = request.headers['x-speke-version'] === '2.0' && parsed['@_version'] === '2.3'
      if (fault === 'silent') return
      if (!isSpeke || fault === 'refusing') return response.writeHead(422).end('no')
      response.writeHead(200, {
        'Content-Type': 'application/xml',
        'X-Speke-Version': '2.0',
        'Speke-User-Agent': 'test',
      })
      response.end(answer(parsed, kids, wrap, fault))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/speke/v2.0/copyProtection`,
    seen,
    /** From now on it does this wrong. */
    fail(how: SpekeFault | undefined) {
      fault = how
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const LISTS = [
  'ContentKeyList',
  'ContentKey',
  'DRMSystem',
  'ContentKeyUsageRule',
  'ContentKeyPeriod',
  'HLSSignalingData',
]
const isList = (name: string) => LISTS.includes(name)

// biome-ignore lint/suspicious/noExplicitAny: a document as a parser gives it.
function answer(asked: any, kids: readonly string[], wrap: string, fault: SpekeFault | undefined): string {
  if (fault === 'not-xml') return '<cpix:CPIX><unclosed></cpix:CPIX>'
  if (fault === 'html') return '<html><body>sign in</body></html>'
  if (fault === 'entities') return `<!DOCTYPE c [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><CPIX>&b;</CPIX>`
  if (fault === 'deep') return '<a>'.repeat(100_000)
  if (fault === 'huge') return `<CPIX>${'x'.repeat(1_100_000)}</CPIX>`
  const certificate = asked.DeliveryDataList?.DeliveryData?.DeliveryKey?.X509Data?.X509Certificate
  const seal = certificate === undefined || fault === 'plain' ? undefined : sealer(certificate, wrap, fault)
  const given =
    fault === 'missing-key' ? kids.slice(1) : fault === 'doubled-key' ? [...kids, ...kids.slice(0, 1)] : kids
  const keys = given.map((kid) => {
    const value = fault === 'zero-key' ? Buffer.alloc(16) : spekeKeyOf(kid).subarray(0, fault === 'short-key' ? 15 : 16)
    const secret = seal ? seal.value(value) : `<pskc:PlainValue>${value.toString('base64')}</pskc:PlainValue>`
    const wanted = asked.ContentKeyList[0].ContentKey.find((key: Record<string, string>) => key['@_kid'] === kid)
    const scheme = wanted?.['@_commonEncryptionScheme']
    const by = scheme === undefined ? '' : ` commonEncryptionScheme="${fault === 'other-scheme' ? 'cens' : scheme}"`
    return `<cpix:ContentKey kid="${kid.toUpperCase()}"${by} explicitIV="OFj2IjCsPJFfMAxmQxLGPw=="><cpix:Data><pskc:Secret>${secret}</pskc:Secret></cpix:Data></cpix:ContentKey>`
  })
  const systems = (asked.DRMSystemList?.DRMSystem ?? []).map((system: Record<string, unknown>) => {
    const kid = String(system['@_kid'])
    const wanted = asked.ContentKeyList[0].ContentKey.find((key: Record<string, string>) => key['@_kid'] === kid)
    const isCbcs = (wanted?.['@_commonEncryptionScheme'] === 'cbcs') !== (fault === 'other-method')
    const systemId = String(system['@_systemId'])
    // FairPlay has no other method, whatever scheme it is asked about.
    if (systemId === FAIRPLAY) return drmSystem(kid, systemId, 'SAMPLE-AES', fault)
    return drmSystem(kid, systemId, isCbcs ? 'SAMPLE-AES' : 'SAMPLE-AES-CTR', fault)
  })
  const contentId = fault === 'other-content' ? 'another' : asked['@_contentId']
  return `<?xml version="1.0"?><!-- filled in --><cpix:CPIX xmlns:cpix="urn:dashif:org:cpix" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc" xmlns:enc="${ENC}" contentId="${contentId}" version="2.3">
    ${seal ? `<cpix:DeliveryDataList>${seal.deliveryData}</cpix:DeliveryDataList>` : ''}
    <cpix:ContentKeyList>${keys.join('\n')}</cpix:ContentKeyList>
    <cpix:DRMSystemList>${systems.join('\n')}</cpix:DRMSystemList></cpix:CPIX>`
}

function drmSystem(kid: string, systemId: string, method: string, fault: SpekeFault | undefined): string {
  const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64')
  const format = `KEYFORMAT="${KEY_FORMATS[systemId]}",KEYFORMATVERSIONS="1"`
  const lines = `#EXT-X-KEY:METHOD=${method},URI="skd://${kid}",${format}${fault === 'playlist-lines' ? '\n#EXTINF:6,\nhttps://evil.example/x.ts' : ''}`
  const master = `#EXT-X-SESSION-KEY:METHOD=${method},URI="skd://${kid}",${format}`
  const markup =
    fault === 'escaping-markup'
      ? '</ContentProtection><evil/><ContentProtection>'
      : '<pssh xmlns="urn:mpeg:cenc:2013">AAAA</pssh>'
  const pssh = fault === 'bad-pssh' ? randomBytes(60) : spekePsshOf(kid)
  const isWidevine = systemId === WIDEVINE
  const isPlayReady = systemId === PLAYREADY
  return `<cpix:DRMSystem kid="${kid}" systemId="${systemId}">
    ${isWidevine ? `<cpix:PSSH>${fault === 'bad-base64' ? 'not base64!' : pssh.toString('base64').replace(/(.{20})/g, '$1\n')}</cpix:PSSH>` : ''}
    ${isWidevine ? `<cpix:ContentProtectionData>${base64(markup)}</cpix:ContentProtectionData>` : ''}
    ${isPlayReady ? `<cpix:PSSH>${base64(boxOf(PLAYREADY, spekePlayReadyObjectOf(kid)))}</cpix:PSSH>` : ''}
    ${isPlayReady ? `<cpix:SmoothStreamingProtectionHeaderData>${base64(spekePlayReadyObjectOf(kid))}</cpix:SmoothStreamingProtectionHeaderData>` : ''}
    <cpix:HLSSignalingData playlist="media">${base64(lines)}</cpix:HLSSignalingData>
    <cpix:HLSSignalingData playlist="master">${base64(master)}</cpix:HLSSignalingData>
    </cpix:DRMSystem>`
}

function sealer(certificate: string, wrap: string, fault: SpekeFault | undefined) {
  const recipient = new X509Certificate(Buffer.from(certificate, 'base64')).publicKey
  const [documentKey, macKey] = [randomBytes(32), randomBytes(64)]
  const padding =
    wrap === 'pkcs1'
      ? { padding: constants.RSA_PKCS1_PADDING }
      : { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: wrap === 'oaep' ? 'sha1' : 'sha256' }
  const algorithm = wrap === 'pkcs1' ? 'rsa-1_5' : 'rsa-oaep-mgf1p'
  const digest =
    wrap === 'oaep-sha256'
      ? `<ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="${ENC}sha256"/>`
      : ''
  const wrapped = (key: Buffer) => {
    const bytes = publicEncrypt({ key: recipient, ...padding }, key)
    if (fault === 'other-recipient') bytes.reverse()
    return `<enc:EncryptionMethod Algorithm="${ENC}${algorithm}">${digest}</enc:EncryptionMethod><enc:CipherData><enc:CipherValue>${bytes.toString('base64')}</enc:CipherValue></enc:CipherData>`
  }
  return {
    deliveryData: `<cpix:DeliveryData><cpix:DocumentKey Algorithm="${ENC}aes256-cbc"><cpix:Data><pskc:Secret><pskc:EncryptedValue>${wrapped(documentKey)}</pskc:EncryptedValue></pskc:Secret></cpix:Data></cpix:DocumentKey><cpix:MACMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha512"><cpix:Key>${wrapped(macKey)}</cpix:Key></cpix:MACMethod></cpix:DeliveryData>`,
    value(plain: Buffer): string {
      const iv = randomBytes(16)
      const cipher = createCipheriv('aes-256-cbc', documentKey, iv)
      const bytes = Buffer.concat([iv, cipher.update(plain), cipher.final()])
      const mac = createHmac('sha512', fault === 'wrong-mac' ? randomBytes(64) : macKey)
        .update(bytes)
        .digest('base64')
      return `<pskc:EncryptedValue><enc:EncryptionMethod Algorithm="${ENC}aes256-cbc"/><enc:CipherData><enc:CipherValue>${bytes.toString('base64')}</enc:CipherValue></enc:CipherData></pskc:EncryptedValue><pskc:ValueMAC>${mac}</pskc:ValueMAC>`
    },
  }
}
