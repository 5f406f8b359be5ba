const PREFIX = 'HEADEND__'

/** One configuration key set by the environment. */
export type EnvironmentKey = { readonly variable: string; readonly path: readonly string[]; readonly text: string }

function camelCase(snake: string): string {
  return snake.toLowerCase().replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase())
}

/** `HEADEND__LISTEN__RTMP__PORT=0` → path `listen.rtmp.port`, text `0`. Sorted, so that the result never depends on order. */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): EnvironmentKey[] {
  return Object.keys(environment)
    .filter((variable) => variable.startsWith(PREFIX))
    .sort((a, b) => (a < b ? -1 : 1))
    .map((variable) => ({
      variable,
      path: variable.slice(PREFIX.length).split('__').map(camelCase),
      text: environment[variable] ?? '',
    }))
}
