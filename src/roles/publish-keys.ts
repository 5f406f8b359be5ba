import { createHmac, generateKeySync, type KeyObject, timingSafeEqual } from 'node:crypto'
import { type Admission, ingestAdmission } from '../domain/allow-list.ts'
import type { Channel, IngestInput } from '../domain/channel.ts'
import type { ChannelIndex } from '../supervisor/ports.ts'

/** Whom a stream key leads to. */
export type KeyHolder = {
  readonly channel: Channel
  readonly input: IngestInput
  /** By the channel's ingest allow list. */
  readonly admits: Admission
}

type Entry = { readonly digest: Buffer; readonly holder: KeyHolder }

const INPUTS = ['primary', 'secondary'] as const

/**
 * The stream keys of all channels there are, whatever their state. They are found by a digest under a secret of this
 * process: neither how many there are nor how much of a guess is right shows in the time that it takes. Where two have the
 * same key it is the older one's.
 */
export class PublishKeys implements ChannelIndex {
  readonly #secret: KeyObject = generateKeySync('hmac', { length: 256 })
  readonly #channels = new Map<string, Channel>()
  readonly #entries = new Map<string, Entry[]>()

  put(channel: Channel): void {
    const before = this.#channels.get(channel.id)
    this.#channels.set(channel.id, channel)
    const admits = ingestAdmission(channel.input.allowIp)
    for (const input of INPUTS) {
      const key = channel.streamKeys[input]
      const kept = before?.streamKeys[input] === key
      if (before && !kept) this.#drop(before, input)
      this.#set(key, { channel, input, admits })
    }
  }

  remove(channelId: string): void {
    const channel = this.#channels.get(channelId)
    if (!channel) return
    this.#channels.delete(channelId)
    for (const input of INPUTS) this.#drop(channel, input)
  }

  find(key: string): KeyHolder | undefined {
    const digest = this.#digest(key)
    const [first] = this.#entries.get(digest.toString('base64')) ?? []
    return first && timingSafeEqual(first.digest, digest) ? first.holder : undefined
  }

  /** In the place that it had, or behind those with the same key. */
  #set(key: string, holder: KeyHolder): void {
    const digest = this.#digest(key)
    const name = digest.toString('base64')
    const entries = this.#entries.get(name) ?? []
    const at = entries.findIndex(({ holder: { channel, input } }) => isOf(channel, input, holder))
    if (at < 0) entries.push({ digest, holder })
    else entries[at] = { digest, holder }
    // Of two channels with the same key it is the older one's, whichever this process heard of first.
    entries.sort((a, b) => ageOrder(a.holder.channel, b.holder.channel))
    this.#entries.set(name, entries)
  }

  #drop(channel: Channel, input: IngestInput): void {
    const name = this.#digest(channel.streamKeys[input]).toString('base64')
    const entries = this.#entries
      .get(name)
      ?.filter(({ holder }) => !isOf(holder.channel, holder.input, { channel, input }))
    if (entries && entries.length > 0) this.#entries.set(name, entries)
    else this.#entries.delete(name)
  }

  #digest(key: string): Buffer {
    return createHmac('sha256', this.#secret).update(key).digest()
  }
}

function isOf(channel: Channel, input: IngestInput, other: Pick<KeyHolder, 'channel' | 'input'>): boolean {
  return channel.id === other.channel.id && input === other.input
}

function ageOrder(a: Channel, b: Channel): number {
  return Date.parse(a.created) - Date.parse(b.created) || a.id.localeCompare(b.id)
}
