import type { Logger } from '../lib/logger.ts'

const SEVERITIES = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

/** A logger whose lines carry the channel's name of now: one that runs may be renamed. */
export function namedLogger(base: Logger, name: () => string): Logger {
  let named = base.child({ channel: name() })
  let given = name()
  const current = () => {
    if (given === name()) return named
    given = name()
    named = base.child({ channel: given })
    return named
  }
  const write = (severity: (typeof SEVERITIES)[number]) =>
    // Pino's own overloads; whatever is given is handed on.
    ((...line: [object]) => current()[severity](...line)) as Logger['info']
  return {
    ...(Object.fromEntries(SEVERITIES.map((severity) => [severity, write(severity)])) as Omit<Logger, 'child'>),
    child: (fields) => current().child(fields),
  }
}
