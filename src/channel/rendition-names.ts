/**
 * Names renditions `video-1`, `video-2`, `audio-1` … in the order they first appear. A layer's track that comes back gets
 * the name it had, so that players go on with the playlist they know.
 */
export class RenditionNames {
  readonly #names = { video: new Map<string, string[]>(), audio: new Map<string, string[]>() }
  readonly #count = { video: 0, audio: 0 }

  nameOf(layer: string, kind: 'video' | 'audio', trackId: number): string {
    let names = this.#names[kind].get(layer)
    if (!names) {
      names = []
      this.#names[kind].set(layer, names)
    }
    const name = names[trackId] ?? `${kind}-${++this.#count[kind]}`
    names[trackId] = name
    return name
  }
}
