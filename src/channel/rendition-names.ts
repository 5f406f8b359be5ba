/**
 * Names renditions `video-1`, `video-2`, `audio-1` … in the order they first appear. A layer's track that comes back gets
 * the name it had, so that players go on with the playlist they know.
 */
export class RenditionNames {
  readonly #names = new Map<string, string>()

  nameOf(layer: string, kind: 'video' | 'audio', trackId: number): string {
    const key = `${kind}/${layer}/${trackId}`
    const known = this.#names.get(key)
    if (known) return known
    const taken = [...this.#names.values()].filter((name) => name.startsWith(kind)).length
    const name = `${kind}-${taken + 1}`
    this.#names.set(key, name)
    return name
  }
}
