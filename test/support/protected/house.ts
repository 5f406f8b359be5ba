import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Scheme } from '../../../src/origin/deliveries.ts'
import { ApiUser, type Json } from '../api.ts'
import { type ChannelHouse, publishMessages, startChannels } from '../channels.ts'
import { ffmpeg } from '../ffmpeg.ts'
import { encode, picture, tone, videoEncoders } from '../flv-encoded.ts'
import { enhancedMessages, interleave } from '../flv-publish.ts'
import { servedSeconds } from '../served.ts'

/** A picture and a sound that go together. */
export const codecPairs = {
  'H.264 and AAC': { video: [...videoEncoders.avc, '-bf', '2'], audio: ['-c:a', 'aac'] },
  'HEVC and AC-3': { video: videoEncoders.hevc, audio: ['-c:a', 'ac3'] },
  'AV1 and AAC': { video: videoEncoders.av1, audio: ['-c:a', 'aac'] },
} as const
export type CodecPair = keyof typeof codecPairs
export const states = ['live', 'finished', 'MP4 set'] as const
export type SourceState = (typeof states)[number]

/** What an asset is delivered as: a locator for each. */
export const deliveries = ['clear', 'envelope', 'cenc', 'cbcs'] as const
export type DeliveredAs = (typeof deliveries)[number]
export type SourceKey = { readonly kid: string; readonly value: Buffer }

/** Something that is published in the clear and in each protection. */
export type ProtectedSource = {
  readonly name: string
  readonly pair: CodecPair
  readonly state: SourceState
  readonly assetId: string
  readonly manifestName: string
  /** `http://host:port/{locator}`. */
  readonly bases: Readonly<Record<DeliveredAs, string>>
  readonly keys: Readonly<Record<Scheme, SourceKey>>
}

export type ProtectedHouse = {
  readonly channels: ChannelHouse
  readonly api: ApiUser
  readonly sources: readonly ProtectedSource[]
  /** Ids of the policies that allow one protection and nothing else. */
  readonly policies: Readonly<Record<DeliveredAs, string>>
  /** A key whose policy gives it to anybody, or to whom `policyId` says. */
  key(kind: Scheme, options?: { readonly policyId?: string; readonly rotating?: boolean }): Promise<SourceKey>
  locator(assetId: string, deliveryPolicyId?: string): Promise<string>
  stop(): Promise<void>
}

const GOP = ['-g', '25', '-keyint_min', '25', '-sc_threshold', '0']
const protocols = {
  clear: { hls: ['clear'], dash: ['clear'], smooth: ['clear'], progressive: ['clear'] },
  envelope: { hls: ['envelope'], dash: ['envelope'], smooth: ['envelope'] },
  cenc: { hls: ['cenc'], dash: ['cenc'], smooth: ['cenc'] },
  cbcs: { hls: ['cbcs'], dash: ['cbcs'] },
} as const

/** One server with these sources on it, each in every state that is asked for. */
export async function openProtected(
  folder: string,
  wanted: { readonly pairs: readonly CodecPair[]; readonly states: readonly SourceState[]; readonly seconds: number },
): Promise<ProtectedHouse> {
  const plans = wanted.pairs.flatMap((pair) =>
    wanted.states.flatMap((state) => (state === 'MP4 set' ? [] : [{ pair, state, name: nameOf(pair, state) }])),
  )
  const channel = { segmentDuration: '1s', keyFrameInterval: '1s', reconnectGrace: '1ms' }
  const channels = await startChannels(Object.fromEntries(plans.map(({ name }) => [name, { channel }])), {
    config: {
      storage: { masterKeys: [{ id: 'first', environment: 'MASTER_KEY_OF_THE_TEST' }] },
      keys: { requests: { perAddress: 10_000, window: '1m' } },
      logLevel: 'debug',
    },
    env: { MASTER_KEY_OF_THE_TEST: randomBytes(32).toString('base64') },
  })
  try {
    return await fill(channels, folder, wanted, plans)
  } catch (error) {
    // Whoever asked for it has nothing to stop.
    await channels.headend.stop()
    throw error
  }
}

type Plan = { readonly pair: CodecPair; readonly state: SourceState; readonly name: string }

async function fill(
  channels: ChannelHouse,
  folder: string,
  { pairs, states: wantedStates, seconds }: Parameters<typeof openProtected>[1],
  plans: readonly Plan[],
): Promise<ProtectedHouse> {
  const api = await (await ApiUser.of(channels.headend)).inDefaultAccount()
  const made = async (path: string, body: object) => String((await api.ask(201, 'POST', path, body))['id'])
  const policies = Object.fromEntries(
    await Promise.all(
      deliveries.map(async (name) => [name, await made('/v1/delivery-policies', { name, protocols: protocols[name] })]),
    ),
  ) as Record<DeliveredAs, string>
  const restriction = { kind: 'open' }
  const open = await made('/v1/key-authorization-policies', {
    name: 'anybody',
    options: [
      { delivery: 'aes128', restriction },
      { delivery: 'clearkey', restriction },
    ],
  })
  const key: ProtectedHouse['key'] = async (kind, { policyId = open, rotating = false } = {}) => {
    const value = randomBytes(16)
    const body = { kind, rotating, value: value.toString('base64'), keyAuthorizationPolicyId: policyId }
    return { kid: await made('/v1/content-keys', body), value }
  }
  const locator: ProtectedHouse['locator'] = async (assetId, deliveryPolicyId) => {
    const id = await made('/v1/locators', { assetId, ...(deliveryPolicyId && { deliveryPolicyId }) })
    return `${channels.headend.quickstart.streamingUrl}/${id}`
  }
  const protect = async ({ pair, state, name }: Plan, assetId: string, manifestName: string) => {
    const [envelope, cenc, cbcs] = await Promise.all([key('envelope'), key('cenc'), key('cbcs')])
    const keys = { envelope, cenc, cbcs }
    const contentKeys = Object.values(keys).map(({ kid }) => ({ contentKeyId: kid }))
    await api.ask(200, 'PATCH', `/v1/assets/${assetId}`, { contentKeys })
    const bases = Object.fromEntries(
      await Promise.all(deliveries.map(async (as) => [as, await locator(assetId, policies[as])])),
    ) as Record<DeliveredAs, string>
    return { name, pair, state, assetId, manifestName, bases, keys } satisfies ProtectedSource
  }
  const onAir = plans.map(async (plan): Promise<ProtectedSource> => {
    await publishPair(channels, plan, seconds)
    const { body } = await api.call('GET', '/v1/programs?limit=100')
    const program = (body['items'] as Json[]).find(({ name }) => name === plan.name)
    if (plan.state === 'finished') await api.operate('POST', `/v1/programs/${program?.['id']}/stop`)
    return protect(plan, String(program?.['assetId']), 'manifest')
  })
  const uploads = (wantedStates.includes('MP4 set') ? pairs : []).map(async (pair): Promise<ProtectedSource> => {
    const name = nameOf(pair, 'MP4 set')
    const file = join(folder, `${name}.mp4`)
    await ffmpeg(...inputs(seconds), ...codecPairs[pair].video, ...GOP, ...codecPairs[pair].audio, file)
    return protect({ pair, state: 'MP4 set', name }, await uploaded(channels, api, file), name)
  })
  const sources = await Promise.all([...onAir, ...uploads])
  return { channels, api, sources, policies, key, locator, stop: async () => void (await channels.headend.stop()) }
}

function nameOf(pair: CodecPair, state: SourceState): string {
  return `${pair} ${state}`.toLowerCase().replaceAll(/\W+/g, '-')
}

function inputs(seconds: number): string[] {
  return [...picture('160x90', '25', seconds), ...tone(48_000, 2, seconds), '-shortest']
}

async function publishPair(channels: ChannelHouse, { pair, name }: Plan, seconds: number): Promise<void> {
  const { video, audio } = codecPairs[pair]
  const { tracks } = encode([...inputs(seconds), ...video, ...GOP, ...audio])
  const { hlsUrl, key } = channels.at(name)
  await publishMessages(channels.headend, key, interleave(...tracks.map((track) => enhancedMessages(track))))
  await servedSeconds(hlsUrl, { video: seconds, audio: seconds - 0.2 })
}

async function uploaded({ headend }: ChannelHouse, api: ApiUser, path: string): Promise<string> {
  const { controlUrl, apiKey } = headend.quickstart
  const { items } = (await api.call('GET', '/v1/accounts?limit=1')).body as { items: { id: string }[] }
  const name = basename(path)
  const { id: assetId } = await api.ask(201, 'POST', '/v1/assets', { name: name.replace(/\.mp4$/, '') })
  const file = await api.ask(201, 'POST', `/v1/assets/${assetId}/files`, { name, isPrimary: true })
  const answer = await fetch(`${controlUrl}/v1/assets/${assetId}/files/${file['id']}/content`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${apiKey}`, 'headend-account': items[0]?.id ?? '' },
    body: readFileSync(path),
  })
  if (!answer.ok) throw new Error(`${path} was not taken: ${answer.status} ${await answer.text()}`)
  return String(assetId)
}
