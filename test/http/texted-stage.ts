import { createHash } from 'node:crypto'
import type { TextSet } from '../../src/domain/text-sidecar.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { buildEventMessage } from '../../src/media/isobmff/event-message.ts'
import type { OriginServer } from '../../src/origin/origin-server.ts'
import type { PresentationView } from '../../src/presentation/view.ts'
import { type BrokenText, TextSource } from '../../src/roles/text-source.ts'
import { FakeLive, startOrigin } from './origin-fixture.ts'
import { text, urisOf } from './playlist-reading.ts'

export const ENGLISH =
  'WEBVTT\n\nSTYLE\n::cue { color: lime }\n\n00:01.000 --> 00:05.000 line:0\nlong\n\n00:06.500 --> 00:07.000\nlate <i>x</i>\n'
export const FRENCH =
  '<tt xmlns="http://www.w3.org/ns/ttml"><body><div><p begin="3s" end="4.5s">trois</p></div></body></tt>'
/** Stands in the last of the recording's five segments. */
export const MARKER = buildEventMessage({
  ...{ schemeIdUri: 'urn:scte:scte35:2013:bin', value: '', timescale: 90_000, presentationTime: 0, id: 7 },
  data: Uint8Array.of(0xfc, 0x30, 1),
})

/** A server with a recording that has ended, and the texts beside it. */
export class TextedStage {
  readonly live = new FakeLive().addTracks().addSegments(4).addSegments(1, 1_000, { kind: 'video', boxes: MARKER })
  readonly blobs = new Map<string, string>()
  readonly broken: BrokenText[] = []
  readonly clock = new VirtualClock()
  isDown = false
  /** Storage answers when this is over. */
  held: Promise<void> | undefined
  reads = 0
  set: TextSet
  base = ''
  #server: OriginServer | undefined

  constructor() {
    this.set = setOf(
      this.fileOf('a.en.sdh.vtt', 'en', ENGLISH, { role: 'caption', title: 'English (SDH)' }),
      this.fileOf('a.fr.ttml', 'fr', FRENCH, { format: 'ttml', title: 'Français' }),
    )
  }

  async start(): Promise<this> {
    const { live } = this
    live.presentation.apply({ type: 'ended' })
    live.presentation.apply({ type: 'archived' })
    const texts = new TextSource({
      storage: () => ({ read: async (name) => this.#read(name) }),
      files: { textsIn: () => undefined, readText: async () => undefined },
      broken: (one) => void this.broken.push(one),
      clock: this.clock,
      logger: silentLogger,
    })
    const { publications } = live.ports()
    const find = (locatorId: string) => {
      const found = publications.find(locatorId)
      if (!found || 'files' in found) return found
      const withTexts = (view: PresentationView, signal: AbortSignal) => texts.beside(view, this.set, signal)
      return { ...found, withTexts }
    }
    const { server, base } = await startOrigin(live, {}, { texts, publications: { find } })
    this.#server = server
    this.base = `${base}/loc-1`
    return this
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
  }

  async #read(name: string): Promise<Buffer> {
    this.reads++
    await this.held
    if (this.isDown) throw new AppError('STORAGE_DOWN', 'no disk')
    return Buffer.from(this.blobs.get(name) ?? '')
  }

  /** A text file, which storage has from now on. */
  fileOf(
    name: string,
    language: string,
    content: string,
    more: Partial<TextSet['texts'][number]> = {},
  ): TextSet['texts'][number] {
    this.blobs.set(name, content)
    const digest = createHash('sha256').update(content).digest('base64url').slice(0, 16)
    const told = { title: language, language, role: 'subtitle', format: 'vtt', contentType: 'text/vtt' } as const
    return { ...told, name, blob: name, sizeBytes: Buffer.byteLength(content), digest, ...more }
  }
}

export function setOf(...files: TextSet['texts']): TextSet {
  const digest = files.map((file) => file.name + file.digest).join()
  return { assetId: 'p1', place: {}, texts: files, digest } as unknown as TextSet
}

/** The texts that a master playlist lists. */
export async function subtitles(master: string) {
  const lines = (await text(master)).split('\n').filter((line) => line.includes('TYPE=SUBTITLES'))
  return lines.map((line) => ({ line, url: urisOf(line, master)[0] ?? '' }))
}
