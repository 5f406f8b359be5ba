import { randomUUID } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import type { GrantCache } from '../keys/grant-cache.ts'
import { systemClock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { createLogger } from '../lib/logger.ts'
import { Scope } from '../lib/scope.ts'
import { releaseSpareMemory } from '../lib/spare-memory.ts'
import { Replica } from '../log/replica.ts'
import { OriginServer } from '../origin/origin-server.ts'
import { OriginCounter } from '../telemetry/origin-counts.ts'
import { encodeJpeg } from '../transcode/jpeg-encoder.ts'
import { openGrants, openOriginKeys } from './origin-keys.ts'
import { openOriginMedia } from './origin-media.ts'
import type { OriginCommand, OriginReport, OriginThreadData } from './origin-messages.ts'

type RunningThread = { readonly scope: Scope; readonly server: OriginServer }

const COUNTS_PERIOD_MS = 1_000

/** A streaming endpoint in a thread of its own: a replica of the logs, and a server that answers from it. */
async function run(data: OriginThreadData, report: (message: OriginReport) => void): Promise<RunningThread> {
  const scope = new Scope()
  try {
    return { scope, server: await start(data, scope, report) }
  } catch (error) {
    // What is left open would keep the thread alive.
    await scope.stop()
    throw error
  }
}

async function start(
  data: OriginThreadData,
  scope: Scope,
  report: (message: OriginReport) => void,
): Promise<OriginServer> {
  const logger = createLogger(data.logLevel).child({ thread: data.thread })
  const counter = new OriginCounter(randomUUID())
  let grants: GrantCache | undefined
  const replica = new Replica(data.feed, {
    onKeysChanged: (accountId) => grants?.changed(accountId),
    onFailure: (reason) => logger.error({ reason }, 'replica failed; it is copied anew'),
  })
  scope.add('feed', () => data.feed.close())
  scope.add('replica', () => replica.stop())
  // A thread that replaces another answers when it knows all that the other knew.
  await replica.ready
  const media = openOriginMedia(replica, data, scope, logger)
  grants = openGrants(media.calls)
  const keys = data.keys && openOriginKeys(data.keys, grants, { ...media, counter, logger }, scope)
  const encoder = { ffmpeg: { path: data.ffmpegPath }, clock: systemClock }
  const server = new OriginServer(
    {
      host: data.host,
      port: data.port,
      reusePort: true,
      limits: data.limits,
      trustedProxies: data.trustedProxies ?? [],
      ...(data.tls ? { tls: data.tls } : {}),
      ...(data.keys?.publicUrl !== undefined && { keysUrl: data.keys.publicUrl }),
    },
    {
      pictures: (wish, signal) => encodeJpeg(wish, encoder, signal),
      ...media,
      ...(keys && { keys }),
      contentKeys: grants,
      observer: counter,
      clock: systemClock,
      logger,
    },
  )
  // A thread that takes another's place must not answer 404 for what it has not heard of yet.
  await replica.ready
  releaseSpareMemory()
  const { port } = await server.start()
  scope.own('server', server)
  const reportCounts = () => report({ kind: 'counts', counts: counter.snapshot(server.blockedRequests) })
  const counts = systemClock.every(COUNTS_PERIOD_MS, reportCounts)
  scope.add('counts', () => {
    counts.cancel()
    reportCounts()
  })
  parentPort?.on('message', (command: OriginCommand) => {
    if (command.kind === 'tls') server.setTls(command.tls)
  })
  report({ kind: 'listening', port })
  return server
}

const port = parentPort
if (port) {
  const report = (message: OriginReport) => port.postMessage(message)
  const running = run(workerData as OriginThreadData, report)
  // A thread that can't start says why; its owner decides what becomes of it.
  running.catch((error: unknown) => {
    report({ kind: 'failed', code: error instanceof AppError ? error.code : 'INTERNAL', message: messageOf(error) })
    port.close()
  })
  port.on('message', (command: OriginCommand) => {
    if (command.kind === 'tls') return
    if (command.kind === 'unlisten') {
      const unlistened = running.then(({ server }) => server.stopListening())
      // One that could not start listens no more than one that has stopped to.
      void unlistened.catch(() => undefined).finally(() => report({ kind: 'unlistened' }))
      return
    }
    const stopped = running.then(async ({ scope, server }) => {
      if (command.kind === 'drain') await server.drain(command.forMs)
      await scope.stop()
    })
    // Why it could not start was told above.
    void stopped.catch(() => undefined).finally(() => port.close())
  })
}
