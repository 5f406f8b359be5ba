import { Findings, type Violation } from './violation.ts'

/** What a manifest says of a segment: ticks of the track's timescale, of which the media may be off by this many. */
export type ListedMedia = {
  readonly startTicks: number
  readonly durationTicks: number
  readonly toleranceTicks: number
}

type Box = { readonly type: string; readonly start: number; readonly body: number; readonly end: number }

const CONTAINERS = new Set(['moof', 'traf'])
/** `trun` (ISO/IEC 14496-12 §8.8.8). */
const TRUN = { dataOffset: 0x1, firstFlags: 0x4, duration: 0x100, size: 0x200, flags: 0x400, composition: 0x800 }
const TFHD = { baseOffset: 0x1, description: 0x2, duration: 0x8, size: 0x10, flags: 0x20 }

/**
 * Checks a CMAF segment (ISO/IEC 23000-19 §7.3.2) by its boxes alone: `moof` and `mdat` by turns, one `traf`, `tfdt`s that follow
 * each other, samples that are as many bytes as there are, and times that are those of the manifest.
 */
export function checkSegment(bytes: Uint8Array, listed?: ListedMedia): readonly Violation[] {
  const findings = new Findings()
  try {
    new SegmentChecker(bytes, findings).check(listed)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    findings.expect(false, 'cmaf-boxes', 'a box ends before its fields do')
  }
  return findings.all
}

class SegmentChecker {
  readonly #view: DataView
  readonly #findings: Findings
  #endTicks: number | undefined
  #startTicks = Number.POSITIVE_INFINITY
  #durationTicks = 0

  constructor(bytes: Uint8Array, findings: Findings) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#findings = findings
  }

  check(listed: ListedMedia | undefined): void {
    const boxes = this.#boxes(0, this.#view.byteLength)
    let moof: Box | undefined
    let fragments = 0
    for (const box of boxes) {
      if (box.type === 'moof') {
        this.#findings.expect(!moof, 'cmaf-boxes', 'a moof without an mdat')
        moof = box
      } else if (box.type === 'mdat') {
        this.#findings.expect(moof !== undefined, 'cmaf-boxes', 'an mdat without a moof')
        if (moof) this.#fragment(moof, box)
        moof = undefined
        fragments++
      }
    }
    this.#findings.expect(fragments > 0 && !moof, 'cmaf-boxes', `${fragments} whole fragments`)
    if (!listed || fragments === 0) return
    const isThere = Math.abs(this.#startTicks - listed.startTicks) <= listed.toleranceTicks
    this.#findings.expect(
      isThere,
      'cmaf-time',
      () => `it starts at ${this.#startTicks}, listed at ${listed.startTicks}`,
    )
    const isAsLong = Math.abs(this.#durationTicks - listed.durationTicks) <= listed.toleranceTicks
    this.#findings.expect(
      isAsLong,
      'cmaf-time',
      () => `it lasts ${this.#durationTicks}, listed ${listed.durationTicks}`,
    )
  }

  #boxes(from: number, to: number): Box[] {
    const boxes: Box[] = []
    for (let start = from; start < to; ) {
      const size = to - start >= 8 ? this.#view.getUint32(start) : 0
      const isWhole = size >= 8 && start + size <= to
      this.#findings.expect(isWhole, 'cmaf-boxes', `a box of ${size} bytes at ${start}`)
      if (!isWhole) return boxes
      const type = String.fromCharCode(...[4, 5, 6, 7].map((at) => this.#view.getUint8(start + at)))
      boxes.push({ type, start, body: start + 8, end: start + size })
      start += size
    }
    return boxes
  }

  #fragment(moof: Box, mdat: Box): void {
    const all = this.#boxes(moof.body, moof.end)
    const inside = all.flatMap((box) => (CONTAINERS.has(box.type) ? this.#boxes(box.body, box.end) : []))
    const of = (type: string) => inside.filter((box) => box.type === type)
    const [tfhd, tfdt] = [of('tfhd')[0], of('tfdt')[0]]
    const trafs = all.filter(({ type }) => type === 'traf').length
    const isUsual = trafs === 1 && tfhd !== undefined && tfdt !== undefined && of('tfdt').length === 1
    this.#findings.expect(isUsual, 'cmaf-boxes', `a moof with ${trafs} traf and ${of('tfdt').length} tfdt`)
    if (!tfhd || !tfdt) return
    const isLong = this.#view.getUint8(tfdt.body) === 1
    const decodeTicks = isLong ? Number(this.#view.getBigUint64(tfdt.body + 4)) : this.#view.getUint32(tfdt.body + 4)
    const isNext = this.#endTicks === undefined || decodeTicks === this.#endTicks
    this.#findings.expect(
      isNext,
      'cmaf-time',
      () => `a fragment at ${decodeTicks} follows one that ends at ${this.#endTicks}`,
    )
    let ticks = decodeTicks
    let position = mdat.body
    for (const trun of of('trun')) {
      const run = this.#run(trun, this.#defaults(tfhd), ticks, moof.start)
      this.#findings.expect(run.offset === position, 'cmaf-track-run', `samples at ${run.offset}, not at ${position}`)
      position += run.sizeBytes
      ticks = run.endTicks
    }
    this.#findings.expect(
      position === mdat.end,
      'cmaf-track-run',
      `samples of ${position - mdat.body} bytes in an mdat of ${mdat.end - mdat.body}`,
    )
    this.#endTicks = ticks
    this.#durationTicks += ticks - decodeTicks
  }

  /** What every sample of the fragment has that says nothing else (`tfhd`); with a base offset it would be no CMAF. */
  #defaults({ body }: Box): { readonly duration: number; readonly size: number } {
    const flags = this.#view.getUint32(body) & 0xffffff
    this.#findings.expect((flags & TFHD.baseOffset) === 0, 'cmaf-track-run', 'a base data offset')
    let at = body + 8
    const next = (flag: number) => {
      if ((flags & flag) === 0) return 0
      at += 4
      return this.#view.getUint32(at - 4)
    }
    next(TFHD.description)
    return { duration: next(TFHD.duration), size: next(TFHD.size) }
  }

  #run(
    { body }: Box,
    defaults: { readonly duration: number; readonly size: number },
    startTicks: number,
    moofStart: number,
  ): { readonly offset: number; readonly sizeBytes: number; readonly endTicks: number } {
    const view = this.#view
    const version = view.getUint8(body)
    const flags = view.getUint32(body) & 0xffffff
    const count = view.getUint32(body + 4)
    // A sample has a byte at least, so that nobody is kept busy by a number.
    this.#findings.expect(count <= view.byteLength, 'cmaf-track-run', () => `${count} samples`)
    let at = body + 8
    const word = () => {
      at += 4
      return view.getUint32(at - 4)
    }
    const offset = flags & TRUN.dataOffset ? moofStart + (word() | 0) : Number.NaN
    if (flags & TRUN.firstFlags) word()
    let sizeBytes = 0
    let ticks = startTicks
    for (let sample = 0; sample < Math.min(count, view.byteLength); sample++) {
      const duration = flags & TRUN.duration ? word() : defaults.duration
      sizeBytes += flags & TRUN.size ? word() : defaults.size
      if (flags & TRUN.flags) word()
      const composition = flags & TRUN.composition ? word() : 0
      this.#startTicks = Math.min(this.#startTicks, ticks + (version === 0 ? composition : composition | 0))
      ticks += duration
    }
    return { offset, sizeBytes, endTicks: ticks }
  }
}
