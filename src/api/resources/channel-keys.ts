import { rotateKeySchema } from '../../domain/channel.ts'
import { rotateStreamKeys } from '../../domain/channel-rules.ts'
import { newEvent } from '../../domain/events.ts'
import { type Route, route } from '../rest/route.ts'
import { type ChannelDeps, channelOf, channelPath, channelSubject } from './channel-deps.ts'
import { channelKeysSchema, showChannelKeys } from './channel-view.ts'

const tag = 'channels'

/** What shows and changes a channel's stream keys. */
export function channelKeyRoutes(deps: ChannelDeps): Route[] {
  const answers = { 200: { description: 'Where and with which keys encoders publish.', schema: channelKeysSchema } }
  return [
    route({
      method: 'get',
      path: `${channelPath}/keys`,
      operationId: 'getChannelKeys',
      summary: 'Read the stream keys; each reading is audited',
      tag,
      access: { action: 'read-secret', resource: 'channel' },
      answers,
      async handle(request) {
        const channel = await channelOf(deps, request)
        await request.commit(request.changes('channel.read-keys', channelSubject(channel)))
        return { status: 200, body: showChannelKeys(channel, deps) }
      },
    }),
    route({
      method: 'post',
      path: `${channelPath}/rotate-key`,
      operationId: 'rotateChannelKey',
      summary: 'Make stream keys anew; an encoder that publishes with the old one is disconnected',
      tag,
      access: { action: 'rotate-secret', resource: 'channel' },
      body: rotateKeySchema,
      bodyOptional: true,
      answers,
      async handle(request) {
        const channel = await channelOf(deps, request)
        const { input } = request.body
        const streamKeys = rotateStreamKeys(channel, input, deps.random)
        const changes = request.changes('channel.rotate-key', channelSubject(channel), ['/streamKeys'])
        const handle = changes.update('channel', { ...channel, streamKeys })
        const inputs: ('primary' | 'secondary')[] = input ? [input] : ['primary', 'secondary']
        changes.event(newEvent('channel.key-rotated', channel, { inputs }, deps.clock.now()))
        const done = await request.commit(changes, { status: 200, id: channel.id })
        return { status: 200, body: showChannelKeys(done.get(handle), deps) }
      },
      // A repetition must not cut off the encoder that has got the new key.
      async recall(request) {
        return { status: 200, body: showChannelKeys(await channelOf(deps, request), deps) }
      },
    }),
  ]
}
