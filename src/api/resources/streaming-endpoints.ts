import type { z } from 'zod'
import { beginOperation } from '../../domain/lifecycle.ts'
import { patched } from '../../domain/merge-patch.ts'
import { transition } from '../../domain/state-machine.ts'
import {
  type StreamingEndpoint,
  scaleSchema,
  showStreamingEndpoint,
  streamingEndpointMachine,
  streamingEndpointPatchSchema,
  streamingEndpointSchema,
  streamingEndpointViewSchema,
  withSigningSecrets,
} from '../../domain/streaming-endpoint.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { assertSeen } from '../rest/etag.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type Answer, type RestRequest, type Route, route } from '../rest/route.ts'
import { operationAnswer, operationAnswers, recallOperation, waitQuerySchema } from './operations.ts'
import type { ResourceDeps } from './ports.ts'

const path = '/v1/streaming-endpoints'
const onePath = `${path}/{streamingEndpointId}`
const tag = 'streaming-endpoints'
const resource = 'streaming-endpoint'
const entityAnswer = { description: 'The streaming endpoint.', schema: streamingEndpointViewSchema }

const signing = `What changes holds from the next request on. **Signed URLs.** Where \`signedUrlKeys\` has keys, players are given
\`/signed/{key}.{expiry}.{signature}/{locatorId}/…\` in place of \`/{locatorId}/…\`; everything below follows by relative URLs. \`key\` is the
key's name, \`expiry\` a time in seconds since 1970, \`signature\` the HMAC-SHA-256 of \`{locatorId}\\n{expiry}\` (the id in lower case) under the
secret, in base64url. Anything else is answered 403. To change a key without a break, add the new one, sign with it, and remove the old one
when what it signed has expired.`

/** `/v1/streaming-endpoints`: each account has the one that it was made with. */
export function streamingEndpointRoutes(deps: ResourceDeps): Route[] {
  return [listing(deps), reading(deps), changing(deps), move(deps, 'start'), move(deps, 'stop'), scaling(deps)]
}

async function endpointOf(deps: ResourceDeps, request: RestRequest): Promise<StreamingEndpoint> {
  const id = request.params['streamingEndpointId'] ?? ''
  const found = await deps.repository.get('streaming-endpoint', id, request.accountId)
  assertSeen(request.ifMatch, found)
  return found
}

function subjectOf({ id, name }: Pick<StreamingEndpoint, 'id' | 'name'>) {
  return { kind: 'streaming-endpoint', id, name } as const
}

function listing(deps: ResourceDeps): Route {
  const schema = pageSchema(streamingEndpointViewSchema, 'StreamingEndpoint')
  return route({
    method: 'get',
    path,
    operationId: 'listStreamingEndpoints',
    summary: 'List streaming endpoints',
    tag,
    access: { action: 'read', resource },
    query: listQuerySchema,
    answers: { 200: { description: 'A page of streaming endpoints.', schema } },
    handle: (request) => listAnswer(deps.repository, 'streaming-endpoint', request, { show: showStreamingEndpoint }),
  })
}

function reading(deps: ResourceDeps): Route {
  return route({
    method: 'get',
    path: onePath,
    operationId: 'getStreamingEndpoint',
    summary: 'Read a streaming endpoint',
    tag,
    access: { action: 'read', resource },
    answers: { 200: entityAnswer },
    handle: async (request) => ({ status: 200, body: showStreamingEndpoint(await endpointOf(deps, request)) }),
  })
}

function changing(deps: ResourceDeps): Route {
  return route({
    method: 'patch',
    path: onePath,
    operationId: 'updateStreamingEndpoint',
    summary: 'Change a streaming endpoint',
    description: signing,
    tag,
    access: { action: 'update', resource },
    body: streamingEndpointPatchSchema,
    answers: { 200: entityAnswer },
    async handle(request) {
      const current = await endpointOf(deps, request)
      const patch = withSigningSecrets(request.body, current)
      const next = patched(streamingEndpointSchema, streamingEndpointPatchSchema, current, patch)
      const fields = changedFields(current, next)
      if (fields.length === 0) return { status: 200, body: showStreamingEndpoint(current) }
      const changes = request.changes('streaming-endpoint.update', subjectOf(current), fields)
      const handle = changes.update('streaming-endpoint', next)
      return { status: 200, body: showStreamingEndpoint((await request.commit(changes)).get(handle)) }
    },
  })
}

function move(deps: ResourceDeps, verb: 'start' | 'stop'): Route {
  const isStart = verb === 'start'
  return route({
    method: 'post',
    path: `${onePath}/${verb}`,
    operationId: isStart ? 'startStreamingEndpoint' : 'stopStreamingEndpoint',
    summary: isStart ? 'Start serving what the account publishes' : 'Stop serving what the account publishes',
    tag,
    access: { action: 'operate', resource },
    query: waitQuerySchema,
    answers: operationAnswers,
    recall: recallOperation(deps),
    handle: async (request) => operate(deps, request, await endpointOf(deps, request), verb),
  })
}

function scaling(deps: ResourceDeps): Route {
  return route({
    method: 'post',
    path: `${onePath}/scale`,
    operationId: 'scaleStreamingEndpoint',
    summary: 'Give a streaming endpoint that runs more or fewer threads',
    description: `Nobody is cut off: a thread that is one too many takes no new connections, answers each request that still comes to it, and ends
when its connections have ended, or after \`origin.drainTime\`.`,
    tag,
    access: { action: 'operate', resource },
    query: waitQuerySchema,
    body: scaleSchema,
    answers: operationAnswers,
    recall: recallOperation(deps),
    async handle(request) {
      const endpoint = await endpointOf(deps, request)
      return operate(deps, request, { ...endpoint, scaleUnits: request.body.scaleUnits }, 'scale')
    },
  })
}

async function operate(
  deps: ResourceDeps,
  request: RestRequest<z.output<typeof waitQuerySchema>>,
  endpoint: StreamingEndpoint,
  verb: 'start' | 'stop' | 'scale',
): Promise<Answer> {
  const { accountId, operationId } = endpoint
  const action = `streaming-endpoint.${verb}`
  const state = transition(streamingEndpointMachine, endpoint.state, verb)
  const running =
    operationId === undefined ? undefined : await deps.repository.find('operation', operationId, accountId)
  const changes = request.changes(action, subjectOf(endpoint))
  const desiredState = verb === 'stop' ? ('Stopped' as const) : ('Running' as const)
  const asked = { action, state, desiredState, running }
  const begun = beginOperation(changes, 'streaming-endpoint', endpoint, asked, deps.random, deps.clock.now())
  const done = await request.commit(changes, { status: 202, id: begun.operationId })
  return operationAnswer(deps, request, done.get(begun.operation))
}
