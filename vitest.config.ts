import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/** More than there are cores: much of it waits for disks and sockets. */
const UNIT_WORKERS = availableParallelism() + 1
/** They replace a module of the runtime for what they test. */
const ALONE = ['test/unit/storage/filesystem-copy.test.ts']

/** Units and contracts run side by side, what drives ffmpeg and sockets four files at a time, browsers two. */
export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'alone',
          sequence: { groupOrder: 1 },
          include: ALONE,
        },
      },
      {
        test: {
          name: 'unit',
          // No module has state of its own, so that files may share what they import: a third of the time.
          isolate: false,
          maxWorkers: UNIT_WORKERS,
          testTimeout: 15_000,
          include: ['test/unit/**/*.test.ts', 'test/contract/**/*.test.ts', 'test/http/**/*.test.ts', 'test/*.test.ts'],
          exclude: ALONE,
        },
      },
      {
        test: {
          name: 'e2e',
          provide: { cases: 'few' },
          include: ['test/e2e/**/*.test.ts'],
          exclude: ['test/e2e/browser-*.test.ts'],
          // They wait for real time more than they compute.
          maxWorkers: 4,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'browser',
          provide: { cases: 'few' },
          include: ['test/e2e/browser-*.test.ts'],
          // They watch in real time: two cores have room for two players that must not stall.
          maxWorkers: 2,
          testTimeout: 180_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'long',
          provide: { cases: 'all' },
          // The last ones are end-to-end tests that have more cases here.
          include: [
            'test/long/**/*.test.ts',
            'test/e2e/{codecs,load-tests,slate,browser-download,browser-texts}.test.ts',
          ],
          fileParallelism: false,
          testTimeout: 900_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
