import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Request, type RequestHandler, Router } from 'express'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { inTime } from '../lib/time-limit.ts'
import { type LandingLinks, landingPage } from './landing-page.ts'
import { playerFiles } from './player-files.ts'
import type { HealthSource, MetricsSource, WatchSource } from './ports.ts'
import { problemHandler, readOnly, unknownUrl } from './problem.ts'
import { closedPage, embeddablePage } from './security.ts'
import { streamUrl } from './stream-url.ts'

/** What the control listener needs of the rest of the house. */
export type ControlDeps = {
  readonly clock: Clock
  readonly logger: Logger
  readonly health: HealthSource
  readonly metrics: MetricsSource
  readonly watch: WatchSource
  /** What else is served, asked in turn before an address counts as unknown. */
  readonly routers?: readonly Router[]
  /** Takes connections that ask to become something else than HTTP, such as a WebSocket; owns them from then on. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
}

const SOURCE_DEADLINE_MS = 5_000

function watchLinks(watch: WatchSource, request: Request): LandingLinks | undefined {
  const target = watch.current()
  if (!target) return undefined
  const host = request.get('Host')
  return { title: target.title, hlsUrl: streamUrl(target.hlsUrl, host), dashUrl: streamUrl(target.dashUrl, host) }
}

/** `/healthz`, `/readyz` and `/metrics`: what machines ask. */
function observationRoutes(deps: ControlDeps): Router {
  const router = Router()
  router
    .route('/healthz')
    .get((_request, response) => void response.json({ status: 'ok' }))
    .all(readOnly)
  router
    .route('/readyz')
    .get(async (_request, response) => {
      const checks = await inTime(
        deps.clock,
        SOURCE_DEADLINE_MS,
        'The health check did not answer in time.',
        deps.health.checks(),
      )
      const ready = checks.every(({ ok, required = true }) => ok || !required)
      response.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'not-ready', checks })
    })
    .all(readOnly)
  router
    .route('/metrics')
    .get(async (_request, response) => {
      const text = await inTime(
        deps.clock,
        SOURCE_DEADLINE_MS,
        'The metrics registry did not answer in time.',
        deps.metrics.text(),
      )
      response.set('Content-Type', deps.metrics.contentType).send(text)
    })
    .all(readOnly)
  return router
}

/** Everything under `/player/`. */
function playerRoutes(watch: WatchSource, playerDir: string): Router {
  const router = Router()
  router
    .route('/default.json')
    .get((request, response) => {
      const links = watchLinks(watch, request)
      if (!links) throw new AppError('URL_UNKNOWN', 'Nothing is published yet.')
      response.json(links)
    })
    .all(readOnly)
  router.use(playerFiles(playerDir), unknownUrl)
  return router
}

const uncached: RequestHandler = (_request, response, next) => {
  response.set('Cache-Control', 'no-store')
  next()
}

/** Everything that the control listener answers. Answers are not stored by anybody unless their route says otherwise. */
export function controlRouter(deps: ControlDeps, playerDir: string): Router {
  const router = Router()
  router.use('/player', embeddablePage, uncached, playerRoutes(deps.watch, playerDir))
  router.use(closedPage, uncached, observationRoutes(deps))
  router
    .route('/')
    .get((request, response) => void response.type('html').send(landingPage(watchLinks(deps.watch, request))))
    .all(readOnly)
  for (const more of deps.routers ?? []) router.use(more)
  router.use(unknownUrl)
  router.use(problemHandler(deps.logger))
  return router
}
