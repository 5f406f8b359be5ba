import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { readEnvironment } from './config/environment.ts'
import { loadConfig } from './config/load.ts'
import { systemClock } from './lib/clock.ts'
import { AppError, messageOf } from './lib/errors.ts'
import { createLogger, type Logger } from './lib/logger.ts'
import { checkHealth } from './roles/health-check.ts'

const USAGE = `Headend: live streaming ingest server and streaming-endpoint origin

  npm start -- [options]

  --config FILE   configuration in YAML; without it config/default.yaml
  --demo          publish a moving test pattern to the first channel
  --check-health  ask the node that runs with this configuration here whether it is alive, and exit 0 or 1
  --help          this text
  --version       the version

Every key of the configuration can be set by environment, for example
  HEADEND__LISTEN__RTMP__PORT=0 HEADEND__DATA_DIR=/var/lib/headend
`

const DEFAULT_CONFIG = fileURLToPath(new URL('../config/default.yaml', import.meta.url))
const STOP_LIMIT_MS = 9_500

const OPTIONS = {
  config: { type: 'string' },
  demo: { type: 'boolean', default: false },
  'check-health': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  version: { type: 'boolean', default: false },
} as const

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return (manifest as { readonly version: string }).version
}

/** Runs until SIGTERM or SIGINT, and gives the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  if (values.help || values.version) {
    console.log(values.help ? USAGE : version())
    return 0
  }
  const config = loadConfig(values.config ?? DEFAULT_CONFIG, process.env)
  hideEnvironment()
  if (values['check-health']) return (await checkHealth(config)) ? 0 : 1
  // What only asks for a word needs none of it.
  const [{ startApp }, { describeQuickstart }] = await Promise.all([
    import('./app.ts'),
    import('./roles/quickstart.ts'),
  ])
  const logger = createLogger(config.logLevel)
  const stop = stopSignal(logger)
  const stopped = new Promise((resolve) => stop.addEventListener('abort', resolve))
  try {
    const app = await startApp(config, logger, { demo: values.demo, version: version(), signal: stop })
    keepHeapsSmall()
    if (!stop.aborted) console.log(`\n${describeQuickstart(app.quickstart, values.demo, app.quickstartFile)}`)
    await stopped
    await app.stop()
  } catch (error) {
    // Told to stop in the middle of its start, which it did.
    if (error !== stop.reason) throw error
  }
  logger.info('stopped')
  return 0
}

/**
 * What is set by environment may be a password: once it is read, neither children (ffmpeg above all) nor what Node writes of itself when it dies
 * (`--report-on-fatalerror`) have it.
 */
function hideEnvironment(): void {
  process.report.excludeEnv = true
  for (const { variable } of readEnvironment(process.env)) delete process.env[variable]
}

/**
 * V8 would let garbage pile up to as much again as is alive, some 30 MB. Memory for messages is used again and so isn't what makes it
 * collect; marking every few seconds costs an ingest of thirty streams nothing that can be measured. (`npm start` bounds young memory on
 * the command line, where alone that can be done: reading the program in makes it grow to 64 MB, for good.)
 */
function keepHeapsSmall(): void {
  setFlagsFromString('--heap-growing-percent=15')
}

/** Aborted by the first SIGTERM or SIGINT; from then on time runs, whatever hangs. */
function stopSignal(logger: Logger): AbortSignal {
  const controller = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) return
    logger.info({ signal }, 'stopping')
    systemClock.after(STOP_LIMIT_MS, () => {
      logger.fatal('not everything stopped in time')
      process.exit(1)
    })
    controller.abort(new AppError('STOPPED', `stopped by ${signal}`))
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal)
  return controller.signal
}

/** An error on purpose is a sentence for a person; anything else is a fault of ours, with its stack. */
function complain(error: unknown): void {
  const isUsage = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  if (error instanceof AppError || isUsage) console.error(`headend: ${messageOf(error)}`)
  else console.error(error)
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    complain(error)
    process.exit(1)
  },
)
