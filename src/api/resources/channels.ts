import { assertQuota } from '../../domain/account.ts'
import {
  type Channel,
  channelCreateSchema,
  channelPatchSchema,
  channelSchema,
  channelViewSchema,
  newChannel,
} from '../../domain/channel.ts'
import { assertChannelChange } from '../../domain/channel-rules.ts'
import { newEvent } from '../../domain/events.ts'
import { SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { announce } from '../../domain/lifecycle.ts'
import { patched } from '../../domain/merge-patch.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type Answer, type RestRequest, type Route, route } from '../rest/route.ts'
import { adMarkerRoutes } from './ad-markers.ts'
import { type ChannelDeps, channelOf, channelPath, channelSubject } from './channel-deps.ts'
import { channelKeyRoutes } from './channel-keys.ts'
import { channelOperations } from './channel-operations.ts'
import { channelPreviewRoute } from './channel-preview.ts'
import { showChannel, showChannelKeys } from './channel-view.ts'
import { assertSlateImage } from './slate-image.ts'

const path = '/v1/channels'
const tag = 'channels'
const entityAnswer = { description: 'The channel.', schema: channelViewSchema }

/** `/v1/channels`. */
export function channelRoutes(deps: ChannelDeps): Route[] {
  return [
    ...managing(deps),
    ...channelOperations(deps),
    ...channelKeyRoutes(deps),
    channelPreviewRoute(deps),
    ...adMarkerRoutes(deps),
  ]
}

function managing(deps: ChannelDeps): Route[] {
  const show = (channel: Channel, request: RestRequest) => showChannel(channel, deps, request)
  return [
    route({
      method: 'get',
      path,
      operationId: 'listChannels',
      summary: 'List channels',
      tag,
      access: { action: 'read', resource: 'channel' },
      query: listQuerySchema,
      answers: { 200: { description: 'A page of channels.', schema: pageSchema(channelViewSchema, 'Channel') } },
      handle: (request) =>
        listAnswer(deps.repository, 'channel', request, { show: (channel) => show(channel, request) }),
    }),
    route({
      method: 'post',
      path,
      operationId: 'createChannel',
      summary: 'Create a channel',
      tag,
      access: { action: 'create', resource: 'channel' },
      body: channelCreateSchema,
      answers: {
        201: {
          description: 'The channel, Stopped, with its stream keys.',
          schema: channelViewSchema,
        },
      },
      async handle(request) {
        const { accountId, body } = request
        const [account, used] = await Promise.all([
          deps.repository.get('account', accountId, SYSTEM_ACCOUNT),
          deps.repository.count('channel', accountId),
        ])
        assertQuota(account, 'channels', used)
        await assertSlateImage(deps.repository, body, accountId)
        const draft = newChannel(body, accountId, deps.random)
        const changes = request.changes('channel.create', { kind: 'channel', id: draft.id, name: draft.name })
        const handle = changes.create('channel', draft)
        announce(changes, 'channel.created', draft, deps.clock.now())
        const done = await request.commit(changes, { status: 201, id: draft.id })
        return createdAnswer(done.get(handle), deps, request)
      },
      recall: async (request, { id }) =>
        createdAnswer(await deps.repository.get('channel', id, request.accountId), deps, request),
    }),
    route({
      method: 'get',
      path: channelPath,
      operationId: 'getChannel',
      summary: 'Read a channel',
      tag,
      access: { action: 'read', resource: 'channel' },
      answers: { 200: entityAnswer },
      handle: async (request) => ({ status: 200, body: show(await channelOf(deps, request), request) }),
    }),
    route({
      method: 'patch',
      path: channelPath,
      operationId: 'updateChannel',
      summary: 'Change a channel',
      tag,
      access: { action: 'update', resource: 'channel' },
      body: channelPatchSchema,
      answers: { 200: entityAnswer },
      async handle(request) {
        const channel = await channelOf(deps, request)
        const next = patched(channelSchema, channelPatchSchema, channel, request.body)
        assertChannelChange(channel, next)
        const fields = changedFields(channel, next)
        if (fields.length === 0) return { status: 200, body: show(channel, request) }
        // One that was there may have gone since: that keeps nobody from changing something else.
        if (fields.some((field) => field.startsWith('/slate')))
          await assertSlateImage(deps.repository, next, request.accountId)
        const changes = request.changes('channel.update', channelSubject(channel), fields)
        const handle = changes.update('channel', next)
        changes.event(newEvent('channel.updated', channel, { fields: fields.slice(0, 64) }, deps.clock.now()))
        const done = await request.commit(changes)
        return { status: 200, body: show(done.get(handle), request) }
      },
    }),
  ]
}

function createdAnswer(channel: Channel, deps: ChannelDeps, request: RestRequest): Answer {
  const body = { ...showChannel(channel, deps, request), ingest: showChannelKeys(channel, deps).ingest }
  return { status: 201, body, headers: { Location: `${path}/${channel.id}` } }
}
