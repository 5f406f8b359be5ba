import { FormatError } from '../../lib/errors.ts'
import type { AmfLimits, AmfValue } from './amf.ts'
import { Amf0Reader } from './amf0-reader.ts'

/** A command message (Adobe RTMP 1.0 §7.1.1). `args` starts with the command object, which is null for most. */
export type Command = { readonly name: string; readonly transactionId: number; readonly args: readonly AmfValue[] }

/** A data message (§7.1.2), `@setDataFrame` taken off. */
export type DataMessage = { readonly name: string; readonly values: readonly AmfValue[] }

const MAX_NAME_LENGTH = 64

/** Types 15 and 17 put a byte for the format in front of AMF0, which switches to AMF3 where it wants to. */
function withoutFormatByte(payload: Uint8Array, amf3: boolean): Uint8Array {
  return amf3 && payload[0] === 0 ? payload.subarray(1) : payload
}

/** Reads a command of type 20, or of type 17 when `amf3`. A `FormatError` when it is not one, or past the limits. */
export function readCommand(payload: Uint8Array, amf3: boolean, limits: AmfLimits): Command {
  const reader = new Amf0Reader(withoutFormatByte(payload, amf3), limits, 'command')
  const name = reader.read()
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_LENGTH) {
    throw new FormatError('command', 0, 'a command without a name')
  }
  const transactionId = reader.remaining > 0 ? reader.read() : 0
  return { name, transactionId: typeof transactionId === 'number' ? transactionId : 0, args: reader.readAll() }
}

/** Reads a data message of type 18, or of type 15 when `amf3`. A `FormatError` when it has no name, or past the limits. */
export function readDataMessage(payload: Uint8Array, amf3: boolean, limits: AmfLimits): DataMessage {
  const values = new Amf0Reader(withoutFormatByte(payload, amf3), limits, 'data').readAll()
  if (values[0] === '@setDataFrame') values.shift()
  const name = values.shift()
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_LENGTH) {
    throw new FormatError('data', 0, 'a data message without a name')
  }
  return { name, values }
}
