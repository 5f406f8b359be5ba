import { describe, expect, it } from 'vitest'
import { parseOptions, UsageError } from '../../../load-tests/options.ts'

describe('parseOptions', () => {
  it('has the budgets of the issue as defaults', () => {
    expect(parseOptions(['rtmp-ingest'])).toEqual({
      test: 'rtmp-ingest',
      isQuick: false,
      rounds: 5,
      seconds: 60,
      warmupSeconds: 10,
      streams: [1, 10, 30],
      isJson: false,
    })
    expect(parseOptions(['transcode'])).toMatchObject({ rounds: 5, seconds: 30 })
    expect(parseOptions(['manifests'])).toMatchObject({ test: 'manifests', rounds: 5 })
  })

  it('is short when asked to be quick, and takes what is given over that', () => {
    expect(parseOptions(['transcode', '--quick'])).toMatchObject({ isQuick: true, rounds: 1, seconds: 4 })
    const given = parseOptions(['rtmp-ingest', '--quick', '--rounds', '2', '--streams', '3,4', '--json'])
    expect(given).toMatchObject({ rounds: 2, streams: [3, 4], isJson: true })
  })

  it.each([
    [[]],
    [['ingest']],
    [['rtmp-ingest', 'transcode']],
    [['transcode', '--rounds', '0']],
    [['transcode', '--rounds', '51']],
    [['transcode', '--seconds', '1.5']],
    [['transcode', '--seconds', 'long']],
    [['rtmp-ingest', '--streams', '1,,3']],
    [['rtmp-ingest', '--streams', '201']],
    [['rtmp-ingest', '--streams', Array(11).fill('1').join(',')]],
    [['rtmp-ingest', '--faster']],
  ])('refuses %j', (args) => {
    expect(() => parseOptions(args)).toThrow(UsageError)
  })
})
