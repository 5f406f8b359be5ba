import { AppError } from '../lib/errors.ts'
import type { LogRecord } from './records.ts'

/** A length of time that a record may give. */
export function isDuration(value: number): boolean {
  return value >= 0 && value < Number.POSITIVE_INFINITY
}

/** A number that the index's columns hold. */
export function isCounter(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff
}

/** @throws AppError `INTERNAL`: the writer of the log has a bug, or what was read is no log. */
export function refuse(record: LogRecord, rule: string): never {
  throw new AppError('INTERNAL', `Record ${record.type} breaks the log's order: ${rule}.`, {
    details: { record: record.type },
  })
}
