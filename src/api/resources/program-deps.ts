import type { Program } from '../../domain/program.ts'
import { assertSeen } from '../rest/etag.ts'
import type { RestRequest } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'

/** Where one program is found. */
export const programPath = '/v1/programs/{programId}'

/** The program of a request's path, as the client has seen it where it says so. */
export async function programOf(deps: ResourceDeps, request: RestRequest): Promise<Program> {
  const program = await deps.repository.get('program', request.params['programId'] ?? '', request.accountId)
  assertSeen(request.ifMatch, program)
  return program
}

/** A program as audit records and operations name it. */
export function programSubject({ id, name }: Pick<Program, 'id' | 'name'>) {
  return { kind: 'program', id, name } as const
}
