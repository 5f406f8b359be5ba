import type { ByteReader } from '../../lib/bytes.ts'
import { type AmfBudget, type AmfObject, type AmfReferable, type AmfValue, emptyAmfObject } from './amf.ts'

type Traits = {
  readonly externalizable: boolean
  readonly dynamic: boolean
  readonly names: readonly string[]
  readonly className: string
}

/** Classes whose external form is just one value; what any other class writes can't be known. */
const WRAPPERS = new Set(['flex.messaging.io.ArrayCollection', 'flex.messaging.io.ObjectProxy'])

/** Reads one AMF3 value (AMF3 specification §3) at the reader's position; its tables of references start empty. */
export function readAmf3(reader: ByteReader, budget: AmfBudget): AmfValue {
  return new Amf3Reader(reader, budget).read()
}

class Amf3Reader {
  readonly #reader: ByteReader
  readonly #budget: AmfBudget
  readonly #strings: string[] = []
  readonly #objects: AmfReferable[] = []
  readonly #traits: Traits[] = []

  constructor(reader: ByteReader, budget: AmfBudget) {
    this.#reader = reader
    this.#budget = budget
  }

  read(): AmfValue {
    const reader = this.#reader
    this.#budget.charge(1)
    const marker = reader.u8()
    switch (marker) {
      case 0x00:
        return undefined
      case 0x01:
        return null
      case 0x02:
        return false
      case 0x03:
        return true
      case 0x04:
        return (this.#u29() << 3) >> 3
      case 0x05:
        return reader.f64()
      case 0x06:
        return this.#string()
      case 0x07:
      case 0x0b:
        return this.#leaf((size) => this.#text(size))
      case 0x08:
        return this.#leaf(() => reader.f64())
      case 0x09:
        return this.#array()
      case 0x0a:
        return this.#object()
      case 0x0c:
        // A copy, because the value may outlive the message it came in.
        return this.#leaf((size) => reader.take(size).slice())
      case 0x0d:
      case 0x0e:
      case 0x0f:
      case 0x10:
        return this.#vector(marker)
      case 0x11:
        return this.#dictionary()
      default:
        return reader.fail(`unknown AMF3 marker 0x${marker.toString(16)}`)
    }
  }

  /** A variable-length integer of up to 29 bits, unsigned (§1.3.1). */
  #u29(): number {
    let value = 0
    for (let i = 0; i < 3; i++) {
      const byte = this.#reader.u8()
      value = (value << 7) | (byte & 0x7f)
      if (byte < 0x80) return value
    }
    return (value << 8) | this.#reader.u8()
  }

  #text(sizeBytes: number): string {
    return Buffer.from(this.#reader.take(sizeBytes)).toString('utf8')
  }

  #string(): string {
    const header = this.#u29()
    if ((header & 1) === 0) {
      const text = this.#strings[header >>> 1]
      if (text === undefined) this.#reader.fail(`AMF3 string reference ${header >>> 1} to nothing`)
      this.#budget.charge(text.length >>> 6)
      return text
    }
    const text = this.#text(header >>> 1)
    if (text !== '') this.#strings.push(text)
    return text
  }

  /** A referable value without values inside it. */
  #leaf<T extends AmfValue>(read: (size: number) => T): AmfValue {
    const header = this.#u29()
    if ((header & 1) === 0) return this.#budget.resolve(this.#objects, header >>> 1)
    const value = read(header >>> 1)
    const cost = typeof value === 'string' || value instanceof Uint8Array ? 1 + (value.length >>> 6) : 1
    this.#objects.push({ value, cost, height: 0, whole: true })
    return value
  }

  #checkCount(count: number, bytesEach: number): void {
    if (count * bytesEach > this.#reader.remaining)
      this.#reader.fail(`${count} AMF3 values in ${this.#reader.remaining} bytes`)
  }

  #array(): AmfValue {
    const header = this.#u29()
    if ((header & 1) === 0) return this.#budget.resolve(this.#objects, header >>> 1)
    const count = header >>> 1
    this.#checkCount(count, 1)
    const values: AmfValue[] = []
    const named = emptyAmfObject()
    let hasNames = false
    const read = () => {
      for (let key = this.#string(); key !== ''; key = this.#string()) {
        named[key] = this.read()
        hasNames = true
      }
      for (let i = 0; i < count; i++) values.push(this.read())
      if (hasNames) for (const [i, value] of values.entries()) named[String(i)] = value
    }
    // Whether it is a list or an object is known only after its names, while its place in the table comes before them.
    const place = this.#objects.length
    this.#budget.nest(this.#objects, values, read)
    if (!hasNames) return values
    const entry = this.#objects[place]
    if (entry) this.#objects[place] = { ...entry, value: named }
    return named
  }

  #object(): AmfValue {
    const header = this.#u29()
    if ((header & 1) === 0) return this.#budget.resolve(this.#objects, header >>> 1)
    const traits = this.#readTraits(header >>> 1)
    const object = emptyAmfObject()
    if (traits.externalizable) return this.#external(traits, object)
    return this.#budget.nest(this.#objects, object, () => this.#members(traits, object))
  }

  #external(traits: Traits, object: AmfObject): AmfValue {
    if (!WRAPPERS.has(traits.className)) this.#reader.fail('AMF3 object of an unknown external form')
    let inner: AmfValue
    this.#budget.nest(this.#objects, object, () => {
      inner = this.read()
      object['source'] = inner
    })
    return inner
  }

  #members(traits: Traits, object: AmfObject): void {
    for (const name of traits.names) object[name] = this.read()
    if (!traits.dynamic) return
    for (let key = this.#string(); key !== ''; key = this.#string()) object[key] = this.read()
  }

  #readTraits(header: number): Traits {
    if ((header & 1) === 0) {
      const traits = this.#traits[header >>> 1]
      if (!traits) this.#reader.fail(`AMF3 traits reference ${header >>> 1} to nothing`)
      return traits
    }
    const count = header >>> 3
    const className = this.#string()
    this.#checkCount(count, 1)
    this.#budget.charge(count)
    const names: string[] = []
    for (let i = 0; i < count; i++) names.push(this.#string())
    const traits = { externalizable: (header & 2) !== 0, dynamic: (header & 4) !== 0, names, className }
    this.#traits.push(traits)
    return traits
  }

  #vector(marker: 0x0d | 0x0e | 0x0f | 0x10): AmfValue {
    const reader = this.#reader
    const header = this.#u29()
    if ((header & 1) === 0) return this.#budget.resolve(this.#objects, header >>> 1)
    const count = header >>> 1
    reader.skip(1)
    if (marker === 0x10) this.#string()
    this.#checkCount(count, { 13: 4, 14: 4, 15: 8, 16: 1 }[marker])
    const values: AmfValue[] = []
    return this.#budget.nest(this.#objects, values, () => {
      if (marker !== 0x10) this.#budget.charge(count)
      for (let i = 0; i < count; i++) {
        if (marker === 0x0d) values.push(reader.i32())
        else if (marker === 0x0e) values.push(reader.u32())
        else if (marker === 0x0f) values.push(reader.f64())
        else values.push(this.read())
      }
    })
  }

  /** A dictionary becomes a list of key and value pairs: its keys may be anything. */
  #dictionary(): AmfValue {
    const header = this.#u29()
    if ((header & 1) === 0) return this.#budget.resolve(this.#objects, header >>> 1)
    const count = header >>> 1
    this.#reader.skip(1)
    this.#checkCount(count, 2)
    const pairs: AmfValue[] = []
    return this.#budget.nest(this.#objects, pairs, () => {
      for (let i = 0; i < count; i++) pairs.push([this.read(), this.read()])
    })
  }
}
