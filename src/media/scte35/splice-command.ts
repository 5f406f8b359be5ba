import { BitReader } from '../codecs/bit-reader.ts'
import { BitWriter } from './bit-writer.ts'

/** SCTE 35 §9.7: what a message says is done. */
export type SpliceCommand =
  | { readonly type: 'splice-null' }
  | SpliceInsert
  /** `ptsTime`: 90 kHz, 33 bits; absent: at once. */
  | { readonly type: 'time-signal'; readonly ptsTime?: number }
  | { readonly type: 'bandwidth-reservation' }
  /** `splice_schedule`, a private command, or one of a later edition. */
  | { readonly type: 'other'; readonly commandType: number; readonly payload: Uint8Array }

/** When an event is, 90 kHz, 33 bits: `immediate` where the message says so itself, `unspecified` where no time is given. */
export type SpliceTime = number | 'unspecified' | 'immediate'

/** `splice_insert` (§9.7.3). */
export type SpliceInsert =
  | { readonly type: 'splice-insert'; readonly eventId: number; readonly isCancelled: true }
  | {
      readonly type: 'splice-insert'
      readonly eventId: number
      readonly isCancelled: false
      /** Away from the network's program, to an insertion; else back. */
      readonly isOut: boolean
      readonly eventIdCompliance: boolean
      readonly time: SpliceTime
      /** Of single components rather than of the program; their times, unless it is immediate. */
      readonly components?: readonly { readonly tag: number; readonly time: SpliceTime }[]
      readonly breakDuration?: { readonly autoReturn: boolean; readonly ticks: number }
      readonly uniqueProgramId: number
      readonly availNum: number
      readonly availsExpected: number
    }

const types = { 'splice-null': 0, 'splice-insert': 5, 'time-signal': 6, 'bandwidth-reservation': 7 } as const

/** A command's `splice_command_type`. */
export function commandTypeOf(command: SpliceCommand): number {
  return command.type === 'other' ? command.commandType : types[command.type]
}

/** Reads a command; gives also how many bytes it has. @throws FormatError */
export function readCommand(
  commandType: number,
  bytes: Uint8Array,
  isLengthKnown: boolean,
  path: string,
): { readonly command: SpliceCommand; readonly sizeBytes: number } {
  const reader = new BitReader(bytes, `${path}/command`)
  const command = readBits(commandType, bytes, reader, isLengthKnown)
  const sizeBytes = command.type === 'other' ? bytes.byteLength : bytes.byteLength - Math.floor(reader.remaining / 8)
  if (isLengthKnown && sizeBytes !== bytes.byteLength) reader.fail(`${bytes.byteLength - sizeBytes} bytes too many`)
  return { command, sizeBytes }
}

function readBits(commandType: number, bytes: Uint8Array, reader: BitReader, isLengthKnown: boolean): SpliceCommand {
  switch (commandType) {
    case types['splice-null']:
      return { type: 'splice-null' }
    case types['splice-insert']:
      return readInsert(reader)
    case types['time-signal']: {
      const time = readTime(reader)
      return { type: 'time-signal', ...(typeof time === 'number' && { ptsTime: time }) }
    }
    case types['bandwidth-reservation']:
      return { type: 'bandwidth-reservation' }
    default:
      if (!isLengthKnown) reader.fail(`the length of command ${commandType} is not known`)
      return { type: 'other', commandType, payload: bytes }
  }
}

function readInsert(reader: BitReader): SpliceInsert {
  const eventId = reader.bits(32)
  const isCancelled = reader.flag()
  reader.skip(7)
  if (isCancelled) return { type: 'splice-insert', eventId, isCancelled }
  const isOut = reader.flag()
  const isProgram = reader.flag()
  const hasDuration = reader.flag()
  const isImmediate = reader.flag()
  const eventIdCompliance = reader.flag()
  reader.skip(3)
  const own = isProgram && !isImmediate ? readTime(reader) : 'unspecified'
  const time = isImmediate ? 'immediate' : own
  const components = isProgram ? undefined : readComponents(reader, isImmediate)
  const breakDuration = hasDuration ? readBreakDuration(reader) : undefined
  const uniqueProgramId = reader.bits(16)
  const [availNum, availsExpected] = [reader.bits(8), reader.bits(8)]
  return {
    type: 'splice-insert',
    eventId,
    isCancelled,
    isOut,
    eventIdCompliance,
    time,
    ...(components && { components }),
    ...(breakDuration && { breakDuration }),
    uniqueProgramId,
    availNum,
    availsExpected,
  }
}

function readComponents(reader: BitReader, isImmediate: boolean): { tag: number; time: SpliceTime }[] {
  const count = reader.bits(8)
  return Array.from({ length: count }, () => {
    const tag = reader.bits(8)
    return { tag, time: isImmediate ? ('immediate' as const) : readTime(reader) }
  })
}

function readBreakDuration(reader: BitReader): { autoReturn: boolean; ticks: number } {
  const autoReturn = reader.flag()
  reader.skip(6)
  return { autoReturn, ticks: bits33(reader) }
}

function readTime(reader: BitReader): number | 'unspecified' {
  if (!reader.flag()) {
    reader.skip(7)
    return 'unspecified'
  }
  reader.skip(6)
  return bits33(reader)
}

/** 33 bits, which are more than a `BitReader` gives at once. */
export function bits33(reader: BitReader): number {
  return reader.bits(1) * 2 ** 32 + reader.bits(32)
}

/** The bytes of a command. */
export function writeCommand(command: SpliceCommand): Uint8Array {
  if (command.type === 'other') return command.payload
  const out = new BitWriter()
  if (command.type === 'time-signal') writeTime(out, command.ptsTime ?? 'unspecified')
  if (command.type === 'splice-insert') writeInsert(out, command)
  return out.finish()
}

function writeInsert(out: BitWriter, insert: SpliceInsert): void {
  out.bits(insert.eventId, 32)
  out.flag(insert.isCancelled)
  out.reserved(7)
  if (insert.isCancelled) return
  const { components, breakDuration, time } = insert
  out.flag(insert.isOut)
  out.flag(components === undefined)
  out.flag(breakDuration !== undefined)
  out.flag(time === 'immediate')
  out.flag(insert.eventIdCompliance)
  out.reserved(3)
  if (!components && time !== 'immediate') writeTime(out, time)
  if (components) out.bits(components.length, 8)
  for (const component of components ?? []) {
    out.bits(component.tag, 8)
    if (time !== 'immediate') writeTime(out, component.time)
  }
  if (breakDuration) {
    out.flag(breakDuration.autoReturn)
    out.reserved(6)
    out.bits(breakDuration.ticks, 33)
  }
  out.bits(insert.uniqueProgramId, 16)
  out.bits(insert.availNum, 8)
  out.bits(insert.availsExpected, 8)
}

function writeTime(out: BitWriter, time: SpliceTime): void {
  const isGiven = typeof time === 'number'
  out.flag(isGiven)
  out.reserved(isGiven ? 6 : 7)
  if (isGiven) out.bits(time, 33)
}
