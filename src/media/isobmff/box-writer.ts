import { ByteWriter } from '../../lib/bytes.ts'

/** A writer whose boxes get their size when their content has been written (ISO/IEC 14496-12 §4.2). */
export class BoxWriter extends ByteWriter {
  /** A box of which `content` writes the body. */
  box(type: string, content: () => void): void {
    const start = this.offset
    this.u32(0)
    this.ascii(type)
    content()
    this.patchU32(start, this.offset - start)
  }

  /** A box that begins with a version and 24 bits of flags. */
  fullBox(type: string, version: number, flags: number, content: () => void): void {
    this.box(type, () => {
      this.u8(version)
      this.u24(flags)
      content()
    })
  }
}
