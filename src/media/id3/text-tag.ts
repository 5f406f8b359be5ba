const HEADER_BYTES = 10
/** Texts are UTF-8 (ID3v2.4.0 §4). */
const UTF_8 = 3

/** An ID3v2.4 tag of one TXXX frame ("user defined text") for each name and text: what players show of timed metadata. */
export function textTag(texts: Readonly<Record<string, string>>): Uint8Array {
  const frames = Object.entries(texts).map(([name, text]) => {
    const content = Buffer.concat([Buffer.of(UTF_8), Buffer.from(`${name}\0${text}\0`)])
    const head = Buffer.alloc(HEADER_BYTES)
    head.write('TXXX', 'latin1')
    writeSize(head, 4, content.byteLength)
    return Buffer.concat([head, content])
  })
  const body = Buffer.concat(frames)
  const head = Buffer.alloc(HEADER_BYTES)
  head.write('ID3\u0004', 'latin1')
  writeSize(head, 6, body.byteLength)
  return Uint8Array.from(Buffer.concat([head, body]))
}

/** Sizes are of seven bits a byte (ID3v2.4.0 §6.2). */
function writeSize(bytes: Buffer, at: number, size: number): void {
  for (let byte = 0; byte < 4; byte++) bytes[at + byte] = (size >>> (7 * (3 - byte))) & 0x7f
}
