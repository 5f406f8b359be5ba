import { ByteReader } from '../../lib/bytes.ts'
import { AmfBudget, type AmfLimits, type AmfObject, type AmfReferable, type AmfValue, emptyAmfObject } from './amf.ts'
import { readAmf3 } from './amf3-reader.ts'

const OBJECT_END = 9

/** Reads one AMF0 message: values one after another, sharing one table of references and one budget. */
export class Amf0Reader {
  readonly #reader: ByteReader
  readonly #budget: AmfBudget
  readonly #references: AmfReferable[] = []

  /** `path` names the message in errors. */
  constructor(bytes: Uint8Array, limits: AmfLimits, path = 'amf0') {
    this.#reader = new ByteReader(bytes, path)
    this.#budget = new AmfBudget(this.#reader, limits)
  }

  get remaining(): number {
    return this.#reader.remaining
  }

  /**
   * The next value (AMF0 specification §2); marker 0x11 switches to AMF3 for one value. A `FormatError` for an unknown
   * marker, a truncated value, a reference to what is not whole yet, and past the limits.
   */
  read(): AmfValue {
    const reader = this.#reader
    this.#budget.charge(1)
    const marker = reader.u8()
    switch (marker) {
      case 0x00:
        return reader.f64()
      case 0x01:
        return reader.u8() !== 0
      case 0x02:
        return this.#text(reader.u16())
      case 0x03:
        return this.#object()
      case 0x05:
        return null
      case 0x06:
      case 0x0d:
        return undefined
      case 0x07:
        return this.#budget.resolve(this.#references, reader.u16())
      case 0x08:
        // The count is only a hint, and often wrong.
        reader.u32()
        return this.#object()
      case 0x0a:
        return this.#strictArray()
      case 0x0b: {
        const timeMs = reader.f64()
        reader.skip(2)
        return timeMs
      }
      case 0x0c:
      case 0x0f:
        return this.#text(reader.u32())
      case 0x10:
        this.#text(reader.u16())
        return this.#object()
      case 0x11:
        return readAmf3(reader, this.#budget)
      default:
        return reader.fail(`unknown AMF0 marker 0x${marker.toString(16)}`)
    }
  }

  /** Every value that is left. */
  readAll(): AmfValue[] {
    const values: AmfValue[] = []
    while (this.remaining > 0) values.push(this.read())
    return values
  }

  #text(sizeBytes: number): string {
    return decodeUtf8(this.#reader.take(sizeBytes))
  }

  #object(): AmfObject {
    const object = emptyAmfObject()
    return this.#budget.nest(this.#references, object, () => {
      for (;;) {
        const key = this.#text(this.#reader.u16())
        if (key === '' && this.#atObjectEnd()) return
        object[key] = this.read()
      }
    })
  }

  #atObjectEnd(): boolean {
    const { bytes, offset, remaining } = this.#reader
    if (remaining > 0 && bytes[offset] !== OBJECT_END) return false
    this.#reader.skip(1)
    return true
  }

  #strictArray(): AmfValue[] {
    const count = this.#reader.u32()
    // Each value takes a byte at least: a count that the bytes can't hold is refused before anything is read.
    if (count > this.remaining) this.#reader.fail(`array of ${count} values in ${this.remaining} bytes`)
    const values: AmfValue[] = []
    return this.#budget.nest(this.#references, values, () => {
      for (let i = 0; i < count; i++) values.push(this.read())
    })
  }
}

/** Text as a peer sent it; what is not UTF-8 becomes U+FFFD rather than an error, as encoders put other code pages there. */
export function decodeUtf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
