import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFile, MP4BoxBuffer } from 'mp4box'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FormatError } from '../../../src/lib/errors.ts'
import { playReadyContentKey } from '../../../src/protection/content-key-derivation.ts'
import { drmSystems, uuidBytes, uuidOf } from '../../../src/protection/drm/drm-systems.ts'
import { guidBytes, playReadyObject, playReadyPssh } from '../../../src/protection/drm/playready-object.ts'
import { commonPssh, psshBox, psshData, widevinePssh } from '../../../src/protection/drm/pssh-box.ts'
import { boxAt, boxesIn, encryptedSamples, encryptionOf } from '../../support/cenc-reader.ts'
import { CBCS, CENC, clearFile, IV, KEY, KID, PACKAGER, protectedFile, store } from '../../support/protected-media.ts'
import { encodeVideo } from '../../support/recording.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** What shaka-packager makes of the same samples and keys. */
type Packaged = { readonly file: Buffer; readonly pssh: readonly string[] }

let folder: string
const video = store(encodeVideo(1))

function package_(scheme: 'cenc' | 'cbcs'): Packaged {
  const input = join(folder, 'clear.mp4')
  const output = join(folder, `${scheme}.mp4`)
  writeFileSync(input, clearFile(video))
  const iv = scheme === 'cbcs' ? `:iv=${hex(IV)}` : ''
  const keys = `label=:key_id=${hex(KID)}:key=${hex(KEY)}${iv}`
  execFileSync(
    PACKAGER,
    [
      `in=${input},stream=video,output=${output}`,
      ...['--enable_raw_key_encryption', '--clear_lead', '0', '--protection_scheme', scheme, '--keys', keys],
      ...['--protection_systems', 'Widevine,PlayReady,Common'],
    ],
    { stdio: 'pipe' },
  )
  const file = readFileSync(output)
  const pssh = boxesIn(boxAt(file, 'moov')!.body).filter(({ type }) => type === 'pssh')
  return {
    file,
    pssh: pssh.map(({ body }) => `${(body.length + 8).toString(16).padStart(8, '0')}70737368${hex(body)}`),
  }
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headend-drm-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('shaka-packager, with the same key', () => {
  it.each([CENC, CBCS])(
    'writes the same pssh boxes, boxes and subsamples ($scheme)',
    (protection) => {
      const { scheme } = protection
      const theirs = package_(scheme)
      const version = scheme === 'cenc' ? '4.0' : '4.3'
      const key = { kid: KID, key: KEY }
      const ours = [commonPssh([KID]), playReadyPssh({ version, scheme, keys: [key] }), widevinePssh([KID], scheme)]
      expect(new Set(theirs.pssh)).toEqual(new Set(ours.map(hex)))
      const file = Buffer.from(protectedFile(video, protection))
      expect(encryptionOf(file)).toEqual({ ...encryptionOf(theirs.file), scheme })
      const { ivSize } = encryptionOf(file)!
      const [mine, other] = [encryptedSamples(file, ivSize), encryptedSamples(theirs.file, ivSize)]
      expect(mine.map(({ subsamples }) => subsamples)).toEqual(other.map(({ subsamples }) => subsamples))
      // Without IVs of their own, samples are the very same bytes.
      if (scheme === 'cbcs') expect(mine.map(({ data }) => hex(data))).toEqual(other.map(({ data }) => hex(data)))
    },
    60_000,
  )
})

describe('pssh boxes', () => {
  it('are the published ones', () => {
    // "cenc" Initialization Data Format §4.2 (W3C), its example of two keys.
    const kids = [Buffer.from('0123456789012345'), Buffer.from('ABCDEFGHIJKLMNOP')]
    const published =
      '00000044707373680100000010 77efecc0b24d02ace33c1e52e2fb4b 00000002' +
      '30313233343536373839303132333435 4142434445464748494a4b4c4d4e4f50 00000000'
    expect(hex(commonPssh(kids))).toBe(published.replaceAll(' ', ''))
    expect(hex(psshBox({ systemId: drmSystems.widevine }))).toBe(
      '000000207073736800000000edef8ba979d64acea3c827dcd51d21ed00000000',
    )
    expect(() => psshBox({ systemId: 'nothing' })).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  })

  it('are read by mp4box as they are meant', () => {
    const terms = { version: '4.3', scheme: 'cenc', keys: [{ kid: KID, key: KEY }] } as const
    const boxes = [commonPssh([KID, KEY]), widevinePssh([KID], 'cbcs'), playReadyPssh(terms)]
    const file = createFile()
    // Boxes at the top of a file are read as those in a moov are.
    file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(new Uint8Array(Buffer.concat(boxes)).buffer, 0))
    file.flush()
    const read = file.boxes as unknown as {
      readonly type: string
      readonly version: number
      readonly system_id: string
      readonly kid?: readonly string[]
      readonly protection_data?: Uint8Array
    }[]
    const said = read.map(({ type, version, system_id, kid = [], protection_data: data = [] }) => {
      return [type, version, system_id, kid.map(String), hex(Uint8Array.from(data))]
    })
    const plain = (uuid: string) => uuid.replaceAll('-', '')
    expect(said).toEqual([
      ['pssh', 1, plain(drmSystems.common), [hex(KID), hex(KEY)], ''],
      ['pssh', 0, plain(drmSystems.widevine), [], `1210${hex(KID)}48f3c6899b06`],
      ['pssh', 0, plain(drmSystems.playready), [], hex(playReadyObject(terms))],
    ])
  })

  it('give away the data of their system, of either version', () => {
    // Google's published box of its test content.
    const published = Buffer.from(
      'AAAAW3Bzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAADsIARIQ62dqu8s0Xpa7z2FmMPGj2hoNd2lkZXZpbmVfdGVzdCIQZmtqM2xqYVNkZmFsa3IzaioCSEQyAA==',
      'base64',
    )
    const data = Buffer.from(psshData(published))
    expect(hex(data.subarray(0, 20))).toBe('08011210eb676abbcb345e96bbcf616630f1a3da')
    expect(data.toString('latin1')).toContain('widevine_test')
    expect(data).toHaveLength(59)
    const second = psshBox({ systemId: drmSystems.common, kids: [KID, KEY], data: Uint8Array.of(1, 2, 3) })
    expect(psshData(second)).toEqual(Uint8Array.of(1, 2, 3))
    for (const box of [published, second]) {
      for (let length = 0; length < box.length; length += 1)
        expect(() => psshData(box.subarray(0, length)), String(length)).toThrow(FormatError)
    }
  })

  it('tell Widevine what its server asks for', () => {
    const box = widevinePssh([KID], 'cbcs', { provider: 'castlabs', contentId: Buffer.from('id') })
    expect(hex(box.subarray(32))).toBe(`1210${hex(KID)}1a08${hex(Buffer.from('castlabs'))}2202696448f3c6899b06`)
  })

  it('name keys and systems as UUIDs', () => {
    expect(uuidOf(KID)).toBe('01234567-89ab-cdef-0123-456789abcdef')
    expect(uuidBytes(uuidOf(KID))).toEqual(KID)
    expect(hex(guidBytes(KID))).toBe('67452301ab89efcd0123456789abcdef')
  })
})

describe('PlayReady objects', () => {
  const other = { kid: Uint8Array.from(KEY), key: Uint8Array.from(KID) }
  const text = (object: Uint8Array) => {
    const bytes = Buffer.from(object)
    expect(bytes.readUInt32LE(0)).toBe(bytes.length)
    expect([bytes.readUInt16LE(4), bytes.readUInt16LE(6), bytes.readUInt16LE(8)]).toEqual([1, 1, bytes.length - 10])
    return bytes.toString('utf16le', 10)
  }
  const head = '<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version='
  const first = 'ALGID="AESCTR" CHECKSUM="Ib0Unyi9LCw=" VALUE="Z0UjAauJ780BI0VniavN7w=="'

  it('are written as each version has it', () => {
    const keys = [{ kid: KID, key: KEY }] as const
    const licenceUrl = 'https://example.com/rm?a=1&b=2'
    const licence = '<LA_URL>https://example.com/rm?a=1&amp;b=2</LA_URL>'
    expect(text(playReadyObject({ version: '4.0', scheme: 'cenc', keys, licenceUrl }))).toBe(
      `${head}"4.0.0.0"><DATA><PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO>` +
        `<KID>Z0UjAauJ780BI0VniavN7w==</KID><CHECKSUM>Ib0Unyi9LCw=</CHECKSUM>${licence}</DATA></WRMHEADER>`,
    )
    expect(text(playReadyObject({ version: '4.1', scheme: 'cenc', keys, licenceUrl }))).toBe(
      `${head}"4.1.0.0"><DATA><PROTECTINFO><KID ${first}></KID></PROTECTINFO>${licence}</DATA></WRMHEADER>`,
    )
    expect(text(playReadyObject({ version: '4.2', scheme: 'cenc', keys: [...keys, { kid: other.kid }] }))).toBe(
      `${head}"4.2.0.0"><DATA><PROTECTINFO><KIDS><KID ${first}></KID>` +
        '<KID ALGID="AESCTR" VALUE="MyIRAFVEd2aImaq7zN3u/w=="></KID></KIDS></PROTECTINFO></DATA></WRMHEADER>',
    )
    expect(text(playReadyObject({ version: '4.3', scheme: 'cbcs', keys }))).toBe(
      `${head}"4.3.0.0"><DATA><PROTECTINFO><KIDS><KID ALGID="AESCBC" VALUE="Z0UjAauJ780BI0VniavN7w=="></KID></KIDS>` +
        '</PROTECTINFO></DATA></WRMHEADER>',
    )
  })

  it('have the checksum that Microsoft’s test content has', () => {
    // "Super Speedway" of Microsoft's test server: its KID, and the key that follows from the published test seed.
    const seed = Buffer.from('XVBovsmzhP9gRIZxWfFta3VVRPzVEWmJsazEJ46I', 'base64')
    const uuid = '09e36702-8f33-436c-a5dd-60ffe6671e70'
    const key = playReadyContentKey(seed, uuid)
    expect(hex(key)).toBe('b42ca3172ee4e69bf51848a59db9cd13')
    const keys = [{ kid: uuidBytes(uuid), key }] as const
    const licenceUrl = 'http://playready.directtaps.net/pr/svc/rightsmanager.asmx'
    expect(text(playReadyObject({ version: '4.0', scheme: 'cenc', keys, licenceUrl }))).toBe(
      `${head}"4.0.0.0"><DATA><PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO>` +
        '<KID>AmfjCTOPbEOl3WD/5mcecA==</KID><CHECKSUM>BGw1aYZ1YXM=</CHECKSUM>' +
        `<LA_URL>${licenceUrl}</LA_URL></DATA></WRMHEADER>`,
    )
  })

  it('are refused where their version has no word for it', () => {
    const refused = { code: 'MEDIA_UNSUPPORTED' }
    const keys = [{ kid: KID }, other] as const
    expect(() => playReadyObject({ version: '4.1', scheme: 'cenc', keys })).toThrow(expect.objectContaining(refused))
    expect(() => playReadyObject({ version: '4.2', scheme: 'cbcs', keys })).toThrow(expect.objectContaining(refused))
    const many = [other, ...new Array<typeof other>(200).fill(other)] as const
    expect(() => playReadyObject({ version: '4.3', scheme: 'cenc', keys: many })).toThrow(
      expect.objectContaining({ code: 'LIMIT_EXCEEDED' }),
    )
  })
})
