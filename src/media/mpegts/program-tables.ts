import { AppError } from '../../lib/errors.ts'
import type { ElementaryStream } from './elementary-stream.ts'
import { PACKET_BYTES, SYNC_BYTE } from './packet-writer.ts'
import { sectionCrc } from './section-crc.ts'

/** The PIDs of the two tables (ISO/IEC 13818-1 §2.4.4). */
export const PAT_PID = 0
export const PMT_PID = 0x1000

/** A packet each of the program association and map, with continuity counters of 0. */
export type ProgramTables = { readonly pat: Uint8Array; readonly pmt: Uint8Array }

const PAT_TABLE = 0
const PMT_TABLE = 2
const PROGRAM = 1
const TRANSPORT_STREAM = 1
const CRC_BYTES = 4
/** Behind the packet's header and the pointer to the section. */
const MAX_SECTION_BYTES = PACKET_BYTES - 5

/** The tables of the one program that these streams are (ISO/IEC 13818-1 §2.4.4.3, §2.4.4.8); `pcrPid` names the one with its clock. */
export function programTables(streams: readonly ElementaryStream[], pcrPid: number): ProgramTables {
  const map = [...pid(pcrPid), 0xf0, 0]
  for (const { streamType, pid: streamPid, descriptors } of streams) {
    map.push(streamType, ...pid(streamPid), 0xf0, descriptors.byteLength, ...descriptors)
  }
  // Players take a map of another version for a change of streams, so equal maps have equal versions.
  const version = sectionCrc(Uint8Array.from(map)) & 0x1f
  const association = [0, PROGRAM, ...pid(PMT_PID)]
  return {
    pat: tablePacket(PAT_PID, section(PAT_TABLE, TRANSPORT_STREAM, 0, association)),
    pmt: tablePacket(PMT_PID, section(PMT_TABLE, PROGRAM, version, map)),
  }
}

function pid(value: number): readonly [number, number] {
  return [0xe0 | (value >>> 8), value & 0xff]
}

function section(table: number, id: number, version: number, body: readonly number[]): Uint8Array {
  const length = 5 + body.length + CRC_BYTES
  const head = [table, 0xb0 | (length >>> 8), length & 0xff, id >>> 8, id & 0xff, 0xc1 | (version << 1), 0, 0]
  const bytes = Uint8Array.from([...head, ...body, 0, 0, 0, 0])
  const crcAt = bytes.byteLength - CRC_BYTES
  new DataView(bytes.buffer).setUint32(crcAt, sectionCrc(bytes.subarray(0, crcAt)))
  return bytes
}

function tablePacket(tablePid: number, bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength > MAX_SECTION_BYTES) throw new AppError('INTERNAL', 'a program map longer than a packet')
  const packet = new Uint8Array(PACKET_BYTES).fill(0xff)
  packet.set([SYNC_BYTE, 0x40 | (tablePid >>> 8), tablePid & 0xff, 0x10, 0])
  packet.set(bytes, 5)
  return packet
}
