import { z } from 'zod'
import { parseDuration } from '../../domain/duration.ts'
import { isOperationDone, type Operation, operationSchema } from '../../domain/operation.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type Answer, type Made, type RestRequest, type Route, route } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'

const LONGEST_WAIT_MS = 50_000

/** `30s`, `500ms` or ISO 8601 (`PT30S`), in ms. */
function waitMs(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,6})(ms|s)$/.exec(text) ?? []
  return digits === undefined ? parseDuration(text) : Number(digits) * (unit === 's' ? 1_000 : 1)
}

/** `?wait=30s`: how long the answer may be held back for the operation to be done. */
export const waitQuerySchema = z.strictObject({
  wait: z
    .string()
    .max(32)
    .refine((text) => waitMs(text) !== undefined, 'must be a time such as 30s, 500ms or PT30S')
    .optional()
    .meta({
      description: `Hold the answer back until it is done, at most ${LONGEST_WAIT_MS / 1_000} s.`,
      example: '30s',
    }),
})

type WaitQuery = z.output<typeof waitQuerySchema>

/** The documented answers of what takes a while. */
export const operationAnswers = {
  200: { description: 'It is done, or has failed: `state` says which.', schema: operationSchema },
  202: { description: 'It is under way: poll the operation at `Location`, or await it.', schema: operationSchema },
}

/** Answers with an operation: 202 while it is under way, 200 when it was awaited to its end. */
export async function operationAnswer(
  deps: Pick<ResourceDeps, 'operations'>,
  request: RestRequest<WaitQuery>,
  operation: Operation,
): Promise<Answer> {
  const limitMs = request.query.wait === undefined ? 0 : (waitMs(request.query.wait) ?? 0)
  const seen = await deps.operations.wait(operation, Math.min(limitMs, LONGEST_WAIT_MS), request.signal)
  const headers = { Location: `/v1/operations/${seen.id}` }
  return { status: isOperationDone(seen) ? 200 : 202, body: seen, headers }
}

/** How a repeated POST that had started an operation is answered. */
export function recallOperation(deps: Pick<ResourceDeps, 'operations' | 'repository'>) {
  return async (request: RestRequest, { id }: Made): Promise<Answer> => {
    const operation = await deps.repository.get('operation', id, request.accountId)
    return operationAnswer(deps, request as RestRequest<WaitQuery>, operation)
  }
}

/** `/v1/operations`. */
export function operationRoutes(deps: ResourceDeps): Route[] {
  const access = { action: 'read', resource: 'operation' } as const
  return [
    route({
      method: 'get',
      path: '/v1/operations',
      operationId: 'listOperations',
      summary: 'List operations',
      tag: 'operations',
      access,
      query: listQuerySchema.omit({ name: true, namePrefix: true, tag: true }),
      answers: { 200: { description: 'A page of operations.', schema: pageSchema(operationSchema, 'Operation') } },
      handle: (request) => listAnswer(deps.repository, 'operation', request, { show: (operation) => operation }),
    }),
    route({
      method: 'get',
      path: '/v1/operations/{operationId}',
      operationId: 'getOperation',
      summary: 'Read or await an operation',
      tag: 'operations',
      access,
      query: waitQuerySchema,
      answers: { 200: { description: 'The operation.', schema: operationSchema } },
      async handle(request) {
        const found = await deps.repository.get('operation', request.params['operationId'] ?? '', request.accountId)
        return { ...(await operationAnswer(deps, request, found)), status: 200 }
      },
    }),
  ]
}
