import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const MAX_RATIO = 1.25

type Figure = { readonly segmentBytes: number; readonly bareUs: number; readonly sealedUs: number }

const ratio = ({ bareUs, sealedUs }: Omit<Figure, 'segmentBytes'>) => sealedUs / bareUs

it('reading costs at most 1.25 times a plain read with bare AES-256-GCM over the same bytes', async () => {
  const run = fileURLToPath(new URL('../support/encrypted-cost-run.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [run])
  const figures = JSON.parse(stdout) as Figure[]
  const sum = (of: (figure: Figure) => number) => figures.reduce((total, figure) => total + of(figure), 0)
  const all = { bareUs: sum(({ bareUs }) => bareUs), sealedUs: sum(({ sealedUs }) => sealedUs) }
  const lines = figures.map((figure) => {
    const { segmentBytes, bareUs, sealedUs } = figure
    return `${segmentBytes} bytes: ${bareUs.toFixed(0)} us bare, ${sealedUs.toFixed(0)} us sealed: ${ratio(figure).toFixed(2)}`
  })
  console.info([...lines, `one of each: ${ratio(all).toFixed(2)} (at most ${MAX_RATIO})`].join('\n'))
  expect(figures.length).toBe(5)
  expect(ratio(all)).toBeLessThanOrEqual(MAX_RATIO)
}, 120_000)
