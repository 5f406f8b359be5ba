import { type ApiClient, isoDuration, type Json } from './api-client.ts'
import { type Command, type Given, type Outcome, text } from './command.ts'
import { formatFacts, formatTable } from './table.ts'

const find = (api: ApiClient, { args }: Given) => api.find('/v1/channels', 'ch_', args[0] ?? '', 'channel')

const pathOf = (channel: Json) => `/v1/channels/${text(channel, 'id')}`

const encodingOf = (channel: Json): string => {
  const { kind, preset } = (channel['encoding'] ?? {}) as { kind?: string; preset?: string }
  return kind === 'standard' ? `ladder ${preset}` : 'pass-through'
}

const healthOf = (channel: Json): string => text((channel['health'] ?? {}) as Json, 'status')

/** An input by which somebody publishes: on the air or standing by, and how it is where that isn't plain from the channel's. */
function statusOf(input: Json): readonly (readonly [string, string])[] {
  const health = input['health'] as { status: string; reasons: { detail: string }[] } | undefined
  if (!health) return []
  const status = `${input['active'] === true ? 'active' : 'standby'}, ${health.status}`
  return [[`  ${text(input, 'input')}`, status] as const, ...health.reasons.map(({ detail }) => ['', detail] as const)]
}

/** Everything about one channel that somebody at a terminal wants to know. */
function describe(channel: Json, ingest: readonly Json[]): string {
  const health = channel['health'] as { status: string; reasons: { detail: string }[] } | undefined
  const lastError = channel['lastError'] as { detail: string; time: string } | undefined
  return formatFacts([
    ['Channel', text(channel, 'name')],
    ['Id', text(channel, 'id')],
    ['State', text(channel, 'state')],
    ['Encoding', encodingOf(channel)],
    ['Latency', text(channel, 'latency')],
    ['Preview', text(channel, 'previewUrl') || undefined],
    ['Input', health?.status],
    ...((channel['ingest'] ?? []) as Json[]).flatMap(statusOf),
    ['Last error', lastError && `${lastError.detail} (${lastError.time})`],
    ...ingest.flatMap((input) => [
      [`Server (${text(input, 'input')})`, text(input, 'url')] as const,
      ['Stream key', text(input, 'streamKey') || undefined] as const,
    ]),
  ])
}

async function shown(api: ApiClient, channel: Json, headline: string): Promise<Outcome> {
  const fresh = await api.get(pathOf(channel))
  return { text: `${headline}\n\n${describe(fresh, [])}`, json: fresh }
}

const create: Command = {
  usage: 'channel create NAME',
  help: 'Make a channel; prints where to publish and its stream keys.',
  options: {
    ladder: {
      type: 'string',
      value: 'PRESET',
      help: 'make a ladder, for example 720p; without it the stream passes through',
    },
    latency: { type: 'string', value: 'normal|low', help: 'low: 4 s segments in parts of half a second' },
    segment: { type: 'string', value: 'TIME', help: 'segment duration, for example 2s' },
    start: { type: 'boolean', help: 'start it at once' },
  },
  async run({ args, options }, api) {
    const { ladder, latency, segment } = options
    const channel = await api.post('/v1/channels', {
      name: args[0],
      ...(typeof ladder === 'string' && { encoding: { kind: 'standard', preset: ladder } }),
      ...(typeof latency === 'string' && { latency }),
      ...(typeof segment === 'string' && { output: { segmentDuration: isoDuration(segment) } }),
    })
    if (options['start']) await api.operate('POST', `${pathOf(channel)}/start`)
    const fresh = { ...(await api.get(pathOf(channel))), ingest: channel['ingest'] }
    return { text: describe(fresh, channel['ingest'] as Json[]), json: fresh }
  },
}

const list: Command = {
  usage: 'channel list',
  help: 'Show all channels.',
  async run(_given, api) {
    const channels = await api.list('/v1/channels')
    const columns = [
      { title: 'NAME', of: (channel: Json) => text(channel, 'name') },
      { title: 'STATE', of: (channel: Json) => text(channel, 'state') },
      { title: 'INPUT', of: healthOf },
      { title: 'ENCODING', of: encodingOf },
      { title: 'ID', of: (channel: Json) => text(channel, 'id') },
    ]
    const empty = 'There is no channel yet. Make one: headend channel create NAME --start'
    return { text: channels.length === 0 ? empty : formatTable(columns, channels), json: channels }
  },
}

const show: Command = {
  usage: 'channel show CHANNEL',
  help: 'Show one channel, its inputs and its last error.',
  async run(given, api) {
    const channel = await api.get(pathOf(await find(api, given)))
    return { text: describe(channel, []), json: channel }
  },
}

const keys: Command = {
  usage: 'channel keys CHANNEL',
  help: 'Show where to publish and the stream keys (the reading is audited).',
  async run(given, api) {
    const channel = await find(api, given)
    const found = await api.get(`${pathOf(channel)}/keys`)
    return { text: describe({ name: channel['name'] }, found['ingest'] as Json[]), json: found }
  },
}

const start: Command = {
  usage: 'channel start CHANNEL',
  help: 'Start it; returns when encoders may publish.',
  async run(given, api) {
    const channel = await find(api, given)
    await api.operate('POST', `${pathOf(channel)}/start`)
    return shown(api, channel, `The channel ${text(channel, 'name')} runs.`)
  },
}

const stop: Command = {
  usage: 'channel stop CHANNEL',
  help: 'Stop it. Its programs must be stopped.',
  options: {
    'remove-programs': { type: 'boolean', help: 'stop and delete its programs first; their assets stay' },
  },
  async run(given, api) {
    const channel = await find(api, given)
    const removeProgramsOnStop = given.options['remove-programs'] === true
    await api.operate('POST', `${pathOf(channel)}/stop`, { removeProgramsOnStop })
    return shown(api, channel, `The channel ${text(channel, 'name')} is stopped.`)
  },
}

const reset: Command = {
  usage: 'channel reset CHANNEL',
  help: 'Drop the live edge and have the encoder connect anew.',
  async run(given, api) {
    const channel = await find(api, given)
    await api.operate('POST', `${pathOf(channel)}/reset`)
    return shown(api, channel, `The channel ${text(channel, 'name')} was reset.`)
  },
}

const rotate: Command = {
  usage: 'channel rotate-key CHANNEL',
  help: 'Make new stream keys; an encoder with the old one is disconnected.',
  options: { input: { type: 'string', value: 'primary|secondary', help: 'only this one' } },
  async run(given, api) {
    const channel = await find(api, given)
    const { input } = given.options
    const found = await api.post(`${pathOf(channel)}/rotate-key`, typeof input === 'string' ? { input } : {})
    return { text: describe({ name: channel['name'] }, found['ingest'] as Json[]), json: found }
  },
}

const remove: Command = {
  usage: 'channel delete CHANNEL',
  help: 'Delete it.',
  options: { force: { type: 'boolean', help: 'also when it runs or has programs; their assets stay' } },
  async run(given, api) {
    const channel = await find(api, given)
    await api.operate('DELETE', `${pathOf(channel)}${given.options['force'] ? '?force=true' : ''}`)
    return { text: `The channel ${text(channel, 'name')} is deleted.`, json: { id: channel['id'] } }
  },
}

/** `headend channel …`. */
export const channelCommands: readonly Command[] = [create, list, show, keys, start, stop, reset, rotate, remove]
