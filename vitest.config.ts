import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/** Units and contracts run side by side, what drives ffmpeg and sockets four files at a time, browsers two. */
export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          // As many as there are cores at least: much of it waits for disks and sockets.
          maxWorkers: Math.max(2, availableParallelism()),
          include: ['test/unit/**/*.test.ts', 'test/contract/**/*.test.ts', 'test/http/**/*.test.ts', 'test/*.test.ts'],
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
          include: ['test/long/**/*.test.ts', 'test/e2e/{codecs,load-tests,browser-texts}.test.ts'],
          fileParallelism: false,
          testTimeout: 900_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
