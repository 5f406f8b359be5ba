import { type Logger as PinoLogger, pino } from 'pino'

/** A structured logger; `child({channel})` adds a field to every line. One line per event. */
export type Logger = Pick<PinoLogger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'> & {
  child(fields: Record<string, unknown>): Logger
}

/** From which severity on lines are written. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

/** Lines of JSON to standard output, with ISO times and level names. */
export function createLogger(level: LogLevel): Logger {
  return pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  })
}

/** Says nothing. */
export const silentLogger: Logger = pino({ level: 'silent' })
