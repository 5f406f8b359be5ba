import { afterAll, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'

const metrics = new Metrics({ clock: new VirtualClock(), build: { version: '0' } })

afterAll(() => metrics.stop())

const INTRODUCTION = `# Metrics

What \`/metrics\` on the control listener holds, in Prometheus' text format. Units are seconds and bytes. Channels are those
that run (of two accounts' with one name the later is called name~id); layers and renditions are limited in number; reasons and kinds come from closed lists.
[\`config/prometheus.yml\`](../config/prometheus.yml) scrapes it, with alerts beside it, and
[\`config/grafana/headend.json\`](../config/grafana/headend.json) draws it.

| name | type | meaning |
|---|---|---|
`

it('docs/metrics.md lists every metric (update with `npx vitest run --project unit -u`)', async () => {
  const text = await metrics.text()
  const rows = [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$/gm)].map(
    ([, name, help, type]) => `| \`${name}\` | ${type} | ${help?.replaceAll('|', '\\|')} |`,
  )
  expect(rows.length).toBe(metrics.names().length)
  await expect(`${INTRODUCTION}${rows.sort((a, b) => (a < b ? -1 : 1)).join('\n')}\n`).toMatchFileSnapshot(
    '../../../docs/metrics.md',
  )
})
