import { fileURLToPath } from 'node:url'
import { ControlServer } from '../api/control-server.ts'
import { streamUrl } from '../api/stream-url.ts'
import type { Scope } from '../lib/scope.ts'
import { nodeAddresses } from './addresses.ts'
import { openControlApi } from './control-api.ts'
import type { ControlPlane } from './control-plane.ts'
import type { House } from './house.ts'
import type { NodeArchive } from './node-archive.ts'
import type { NodeChannels } from './node-channels.ts'
import type { OriginPool } from './origin-pool.ts'

/** Where media comes in and goes out. */
export type MediaPorts = { readonly streaming: number; readonly rtmp: number; readonly rtmps: number | undefined }

const PLAYER_DIR = fileURLToPath(new URL('../../player/dist', import.meta.url))

/** The control listener with everything behind it, not yet open. `ports` is asked when somebody wants to know an address. */
export function buildControlListener(
  house: House,
  control: ControlPlane,
  archive: NodeArchive,
  channels: NodeChannels,
  origins: OriginPool,
  ports: () => MediaPorts,
  scope: Scope,
): ControlServer {
  const { clock, config, directory, metrics, logger, tls, ffmpeg } = house
  const isSecure = tls !== undefined
  const at = (path: string) => ({ secure: isSecure, port: ports().streaming, path })
  const addresses = {
    get rtmpUrl() {
      return nodeAddresses(config.publicHost, { ...ports(), control: 0 }, isSecure).rtmpUrl
    },
    get rtmpsUrl() {
      return nodeAddresses(config.publicHost, { ...ports(), control: 0 }, isSecure).rtmpsUrl
    },
    streamingUrl: (path: string, host: string | undefined) => streamUrl(at(path), host),
  }
  const { first, store } = control
  const { deps, sockets } = openControlApi(house, control, archive, channels, addresses, scope)
  const server = new ControlServer(
    { ...config.listen.control, playerDir: PLAYER_DIR, ...(tls ? { tls: tls.current } : {}) },
    {
      ...deps,
      clock,
      logger,
      metrics,
      health: {
        checks: async () => [
          { name: 'origin', ok: origins.runningThreads > 0, detail: `${origins.runningThreads} thread(s)` },
          { name: 'ffmpeg', ok: true, required: false, detail: ffmpeg.version },
          await storeCheck(() => store.sequence()),
        ],
      },
      watch: {
        current() {
          const id = first?.locator?.id
          // It may have been revoked, or its program deleted, since.
          if (id === undefined || !directory.find(id)) return undefined
          return { title: first?.program.name ?? '', hlsUrl: at(`/${id}/index.m3u8`), dashUrl: at(`/${id}/index.mpd`) }
        },
      },
    },
  )
  scope.own('control listener', server)
  scope.own('event sockets', sockets)
  tls?.onChange((material) => server.setTls(material))
  return server
}

async function storeCheck(ask: () => Promise<number>) {
  try {
    await ask()
    return { name: 'store', ok: true, required: false, detail: 'answers' }
  } catch {
    return { name: 'store', ok: false, required: false, detail: 'does not answer: the API is down, what runs goes on' }
  }
}
