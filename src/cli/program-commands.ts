import { type ApiClient, ApiError, isoDuration, type Json } from './api-client.ts'
import { type Command, type Given, text } from './command.ts'
import { formatFacts, formatTable } from './table.ts'

const find = (api: ApiClient, { args }: Given) => api.find('/v1/programs', 'pr_', args[0] ?? '', 'program')

const pathOf = (program: Json) => `/v1/programs/${text(program, 'id')}`

function describe(program: Json): string {
  const lastError = program['lastError'] as { detail: string; time: string } | undefined
  return formatFacts([
    ['Program', text(program, 'name')],
    ['Id', text(program, 'id')],
    ['State', text(program, 'state')],
    ['Channel', text(program, 'channelId')],
    ['Asset', text(program, 'assetId')],
    ['Rewind', text(program, 'rewindWindow')],
    ['Starts at', text(program, 'startAt') || undefined],
    ['Stops at', text(program, 'stopAt') || undefined],
    ['Last error', lastError && `${lastError.detail} (${lastError.time})`],
  ])
}

const create: Command = {
  usage: 'program create NAME',
  help: 'Make a program of a channel.',
  options: {
    channel: { type: 'string', value: 'CHANNEL', help: 'the channel, by name or id (required)' },
    rewind: { type: 'string', value: 'TIME', help: 'how far back viewers may go, for example 30m' },
    'start-at': { type: 'string', value: 'WHEN', help: 'start by itself, for example 2026-12-31T23:00:00Z' },
    'stop-at': { type: 'string', value: 'WHEN', help: 'stop by itself' },
    encrypt: { type: 'boolean', help: 'encrypt what is recorded where it is stored' },
    publish: { type: 'boolean', help: 'make a locator too' },
    start: { type: 'boolean', help: 'start it at once; the channel must run' },
  },
  async run({ args, options }, api) {
    if (typeof options['channel'] !== 'string') throw new ApiError('Which channel? Name it: --channel CHANNEL')
    const channel = await api.find('/v1/channels', 'ch_', options['channel'], 'channel')
    const { rewind } = options
    const program = await api.post('/v1/programs', {
      name: args[0],
      channelId: channel['id'],
      ...(typeof rewind === 'string' && { rewindWindow: isoDuration(rewind) }),
      ...(options['encrypt'] === true && { storageEncryption: 'aes256' }),
      ...(typeof options['start-at'] === 'string' && { startAt: options['start-at'] }),
      ...(typeof options['stop-at'] === 'string' && { stopAt: options['stop-at'] }),
    })
    const locator = options['publish'] ? await publish(api, program, undefined) : undefined
    if (options['start']) await api.operate('POST', `${pathOf(program)}/start`)
    const fresh = await api.get(pathOf(program))
    return {
      text: [describe(fresh), locator?.text].filter((part) => part !== undefined).join('\n\n'),
      json: locator ? { ...fresh, locator: locator.json } : fresh,
    }
  },
}

const list: Command = {
  usage: 'program list',
  help: 'Show all programs.',
  options: { channel: { type: 'string', value: 'CHANNEL', help: 'only those of this channel' } },
  async run({ options }, api) {
    const wanted = options['channel']
    const channels = new Map((await api.list('/v1/channels')).map((channel) => [channel['id'], text(channel, 'name')]))
    const channel = typeof wanted === 'string' ? await api.find('/v1/channels', 'ch_', wanted, 'channel') : undefined
    const programs = await api.list(`/v1/programs${channel ? `?channelId=${text(channel, 'id')}` : ''}`)
    const columns = [
      { title: 'NAME', of: (program: Json) => text(program, 'name') },
      { title: 'STATE', of: (program: Json) => text(program, 'state') },
      { title: 'CHANNEL', of: (program: Json) => channels.get(program['channelId']) ?? text(program, 'channelId') },
      { title: 'STARTED', of: (program: Json) => text(program, 'startedAt') },
      { title: 'ID', of: (program: Json) => text(program, 'id') },
    ]
    const empty = 'There is no program yet. Make one: headend program create NAME --channel CHANNEL --publish --start'
    return { text: programs.length === 0 ? empty : formatTable(columns, programs), json: programs }
  },
}

function moving(verb: 'start' | 'stop', help: string, done: string): Command {
  return {
    usage: `program ${verb} PROGRAM`,
    help,
    async run(given, api) {
      const program = await find(api, given)
      await api.operate('POST', `${pathOf(program)}/${verb}`)
      const fresh = await api.get(pathOf(program))
      return { text: `The program ${text(program, 'name')} ${done}.\n\n${describe(fresh)}`, json: fresh }
    },
  }
}

const remove: Command = {
  usage: 'program delete PROGRAM',
  help: 'Delete it; its asset stays.',
  options: { force: { type: 'boolean', help: 'also when it runs' } },
  async run(given, api) {
    const program = await find(api, given)
    await api.operate('DELETE', `${pathOf(program)}${given.options['force'] ? '?force=true' : ''}`)
    return { text: `The program ${text(program, 'name')} is deleted.`, json: { id: program['id'] } }
  },
}

async function publish(api: ApiClient, program: Json, options: { id?: string; expiry?: string } | undefined) {
  const locator = await api.post('/v1/locators', { assetId: program['assetId'], ...options })
  const id = text(locator, 'id')
  const { paths, playerUrl } = await api.get(`/v1/locators/${id}/paths`)
  // The short ones come first.
  const short = (paths as Json[])
    .slice(0, 2)
    .map((path) => [text(path, 'format').toUpperCase(), text(path, 'url')] as const)
  const player = typeof playerUrl === 'string' ? playerUrl : undefined
  return { text: formatFacts([['Locator', id], ...short, ['Player', player]]), json: { ...locator, paths, playerUrl } }
}

const locatorCreate: Command = {
  usage: 'locator create PROGRAM',
  help: 'Publish what a program records; prints the addresses for players.',
  options: {
    id: { type: 'string', value: 'GUID', help: 'an id chosen in advance' },
    expiry: { type: 'string', value: 'WHEN', help: 'not valid from then on, for example 2027-01-01T00:00:00Z' },
  },
  async run(given, api) {
    const { id, expiry } = given.options
    return publish(api, await find(api, given), {
      ...(typeof id === 'string' && { id }),
      ...(typeof expiry === 'string' && { expiry }),
    })
  },
}

const locatorList: Command = {
  usage: 'locator list',
  help: 'Show all locators.',
  async run(_given, api) {
    const locators = await api.list('/v1/locators')
    const columns = [
      { title: 'ID', of: (locator: Json) => text(locator, 'id') },
      { title: 'STATUS', of: (locator: Json) => text(locator, 'status') },
      { title: 'ASSET', of: (locator: Json) => text(locator, 'assetId') },
      { title: 'EXPIRES', of: (locator: Json) => text(locator, 'expiry') },
    ]
    const empty = 'Nothing is published yet. Publish a program: headend locator create PROGRAM'
    return { text: locators.length === 0 ? empty : formatTable(columns, locators), json: locators }
  },
}

const locatorDelete: Command = {
  usage: 'locator delete ID',
  help: 'Revoke it: its addresses answer no more.',
  async run({ args }, api) {
    await api.delete(`/v1/locators/${encodeURIComponent(args[0] ?? '')}`)
    return { text: `The locator ${args[0]} is revoked.`, json: { id: args[0] } }
  },
}

/** `headend program …` and `headend locator …`. */
export const programCommands: readonly Command[] = [
  create,
  list,
  moving('start', 'Start it; the channel must run.', 'runs'),
  moving('stop', 'Stop it; what can be rewound to stays to be watched, in memory.', 'is stopped'),
  remove,
  locatorCreate,
  locatorList,
  locatorDelete,
]
