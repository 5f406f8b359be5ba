import { FormatError } from '../../lib/errors.ts'
import { type Box, openFullBox } from './boxes.ts'

/** ISO 639-1 two-letter codes with their ISO 639-2/T three-letter ones. */
const TERMINOLOGY_CODES = `
aa:aar ab:abk ae:ave af:afr ak:aka am:amh an:arg ar:ara as:asm av:ava ay:aym az:aze ba:bak be:bel bg:bul bi:bis bm:bam
bn:ben bo:bod br:bre bs:bos ca:cat ce:che ch:cha co:cos cr:cre cs:ces cu:chu cv:chv cy:cym da:dan de:deu dv:div dz:dzo
ee:ewe el:ell en:eng eo:epo es:spa et:est eu:eus fa:fas ff:ful fi:fin fj:fij fo:fao fr:fra fy:fry ga:gle gd:gla gl:glg
gn:grn gu:guj gv:glv ha:hau he:heb hi:hin ho:hmo hr:hrv ht:hat hu:hun hy:hye hz:her ia:ina id:ind ie:ile ig:ibo ii:iii
ik:ipk io:ido is:isl it:ita iu:iku ja:jpn jv:jav ka:kat kg:kon ki:kik kj:kua kk:kaz kl:kal km:khm kn:kan ko:kor kr:kau
ks:kas ku:kur kv:kom kw:cor ky:kir la:lat lb:ltz lg:lug li:lim ln:lin lo:lao lt:lit lu:lub lv:lav mg:mlg mh:mah mi:mri
mk:mkd ml:mal mn:mon mr:mar ms:msa mt:mlt my:mya na:nau nb:nob nd:nde ne:nep ng:ndo nl:nld nn:nno no:nor nr:nbl nv:nav
ny:nya oc:oci oj:oji om:orm or:ori os:oss pa:pan pi:pli pl:pol ps:pus pt:por qu:que rm:roh rn:run ro:ron ru:rus rw:kin
sa:san sc:srd sd:snd se:sme sg:sag si:sin sk:slk sl:slv sm:smo sn:sna so:som sq:sqi sr:srp ss:ssw st:sot su:sun sv:swe
sw:swa ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk tl:tgl tn:tsn to:ton tr:tur ts:tso tt:tat tw:twi ty:tah ug:uig uk:ukr
ur:urd uz:uzb ve:ven vi:vie vo:vol wa:wln wo:wol xh:xho yi:yid yo:yor za:zha zh:zho zu:zul`

const threeLetterOf: ReadonlyMap<string, string> = new Map(
  TERMINOLOGY_CODES.trim()
    .split(/\s+/)
    .map((pair) => [pair.slice(0, 2), pair.slice(3)]),
)

const twoLettersOf: ReadonlyMap<string, string> = new Map([...threeLetterOf].map(([two, three]) => [three, two]))

/** The ISO 639-2/T code of a BCP 47 tag's primary language; `und` where it has none. */
export function terminologyCodeOf(languageTag: string): string {
  const primary = (languageTag.split('-')[0] ?? '').toLowerCase()
  return /^[a-z]{3}$/.test(primary) ? primary : (threeLetterOf.get(primary) ?? 'und')
}

/** The BCP 47 tag of an ISO 639-2/T code: the shortest one there is (RFC 5646 §2.2.1). */
export function languageTagOf(terminologyCode: string): string {
  return twoLettersOf.get(terminologyCode) ?? terminologyCode
}

/** Three letters in 15 bits, as `mdhd` keeps them (ISO/IEC 14496-12 §8.4.2.3). */
export function packLanguage(code: string): number {
  return ((code.charCodeAt(0) - 0x60) << 10) | ((code.charCodeAt(1) - 0x60) << 5) | (code.charCodeAt(2) - 0x60)
}

/** The three letters of 15 bits. Anything but letters (QuickTime's old numbers too) is `und`. */
export function unpackLanguage(packed: number): string {
  const code = [10, 5, 0].map((shift) => String.fromCharCode(0x60 + ((packed >>> shift) & 31))).join('')
  return /^[a-z]{3}$/.test(code) ? code : 'und'
}

const LANGUAGE_TAG = /^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8}){0,15}$/
const MAX_TAG_BYTES = 256
const FULL_BOX_BYTES = 4

/** Refuses what can't stand in a zero-terminated `elng` (ISO/IEC 14496-12 §8.4.6). */
export function assertLanguageTag(tag: string): void {
  if (!LANGUAGE_TAG.test(tag)) throw new FormatError('mdia/elng', 0, 'no BCP 47 tag')
}

/**
 * The tag of an `elng`. What is no tag counts as none, because a file plays as well without: writers put names of languages there, or what
 * their locale is called (`en_US`).
 */
export function readExtendedLanguage(elng: Box | undefined): string | undefined {
  if (elng === undefined || elng.body.byteLength < FULL_BOX_BYTES) return undefined
  const { reader } = openFullBox(elng)
  if (reader.remaining > MAX_TAG_BYTES) return undefined
  const tag = reader.ascii(reader.remaining).replace(/\0.*$/s, '')
  return LANGUAGE_TAG.test(tag) ? tag : undefined
}
