import 'vitest'

declare module 'vitest' {
  /** What the lanes of `vitest.config.ts` tell their tests. */
  interface ProvidedContext {
    /** Whether a test takes each of its cases, or as few as show the behaviour. */
    cases: 'few' | 'all'
  }
}
