import { Scope } from '../src/lib/scope.ts'
import { formatReport, isWithinBudget, type LoadContext, type LoadReport, reportJson } from './load-report.ts'
import { describeMachine } from './machine.ts'
import { runManifests } from './manifests.ts'
import { runOpening } from './opening.ts'
import { type LoadOptions, type LoadTest, parseOptions, USAGE, UsageError } from './options.ts'
import { runOrigin } from './origin.ts'
import { runProtection } from './protection.ts'
import { runRtmpIngest } from './rtmp-ingest.ts'
import { runTranscode } from './transcode.ts'
import { runViewers } from './viewers.ts'

/** Load tests: `node load-tests/main.ts --help`. Ends with 1 past a budget, 2 on a wrong command line, 130 when interrupted. */

const tests: Readonly<Record<LoadTest, (context: LoadContext) => Promise<LoadReport>>> = {
  'rtmp-ingest': runRtmpIngest,
  transcode: runTranscode,
  manifests: runManifests,
  origin: runOrigin,
  protection: runProtection,
  viewers: runViewers,
  opening: runOpening,
}

async function run(options: LoadOptions): Promise<number> {
  const scopes: Scope[] = []
  const interrupt = () => {
    void Promise.allSettled(scopes.map((scope) => scope.stop())).then(() => process.exit(130))
  }
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const report = await tests[options.test]({
    options,
    progress: (line) => process.stderr.write(`${line}\n`),
    scope() {
      const scope = new Scope()
      scopes.push(scope)
      return scope
    },
  })
  const machine = describeMachine()
  process.stdout.write(`${options.isJson ? reportJson(report, machine) : formatReport(report, machine)}\n`)
  return isWithinBudget(report) ? 0 : 1
}

try {
  process.exitCode = await run(parseOptions(process.argv.slice(2)))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n\n${USAGE}\n`)
  process.exitCode = 2
}
