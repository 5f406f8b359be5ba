import type { Channel } from '../domain/channel.ts'
import type { ChannelIndex, SupervisorObserver } from './ports.ts'

/** The channels of the store as they were last read, for those who are told of each. */
export class KnownChannels {
  readonly #index: ChannelIndex
  readonly #observer: SupervisorObserver
  readonly #known = new Map<string, { readonly state: Channel['state']; readonly etag: string }>()

  constructor(index: ChannelIndex, observer: SupervisorObserver) {
    this.#index = index
    this.#observer = observer
  }

  ids(): readonly string[] {
    return [...this.#known.keys()]
  }

  /** The channel as it is now; `undefined`: there is none. */
  see(id: string, channel: Channel | undefined): void {
    const before = this.#known.get(id)
    if (channel) {
      if (before?.etag === channel.etag) return
      this.#known.set(id, { state: channel.state, etag: channel.etag })
      this.#index.put(channel)
    } else {
      this.#known.delete(id)
      this.#index.remove(id)
    }
    if (before?.state !== channel?.state) this.#observer.channelMoved(before?.state, channel?.state)
  }
}
