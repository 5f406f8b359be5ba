import type { WriteOperation } from '../domain/entity-store.ts'
import { AppError, type ErrorCode } from '../lib/errors.ts'
import type { Row } from './batch.ts'

type Fault = { readonly code: ErrorCode; readonly rows: readonly Row[] }

function nounOf(operation: WriteOperation): string {
  if (operation.op === 'create' || operation.op === 'update') return `${operation.entity.kind} ${operation.entity.id}`
  if (operation.op === 'delete') return `${operation.kind} ${operation.id}`
  return operation.op === 'append' ? `the ${operation.log} record` : `the key ${operation.key}`
}

function messageFor(operation: WriteOperation, { code, rows }: Fault): string {
  const noun = nounOf(operation)
  const entity = 'entity' in operation ? operation.entity : undefined
  switch (code) {
    case 'ENTITY_EXISTS':
      return `${noun} exists already`
    case 'ENTITY_NOT_FOUND':
      return `there is no ${noun}`
    case 'ETAG_MISMATCH':
      return `${noun} was changed meanwhile: read it again`
    case 'NAME_TAKEN':
      return `the account has another ${entity?.kind} named ${entity?.name}`
    case 'REFERENCE_MISSING':
      return `${noun} refers to something that does not exist`
    case 'IN_USE':
      return `${noun} is needed by ${rows.map((row) => `${row['kind']} ${row['id']}`).join(', ') || 'something else'}`
    case 'IDEMPOTENCY_KEY_USED':
      return `${noun} has been used for another request`
    default:
      return `${noun} could not be written: ${code}`
  }
}

/** The error of a write that the database refused. */
export function faultError(operation: WriteOperation, index: number, fault: Fault): AppError {
  const entity = 'entity' in operation ? operation.entity : undefined
  const by = fault.rows.map(({ kind, id, relation }) => ({ kind, id, relation }))
  const refs = entity?.refs?.map(({ kind, id, relation }) => ({ kind, id, relation }))
  return new AppError(fault.code, messageFor(operation, fault), {
    details: {
      operation: index,
      ...(fault.code === 'IN_USE' && { by }),
      ...(fault.code === 'REFERENCE_MISSING' && { refs }),
    },
  })
}
