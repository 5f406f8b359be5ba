import { describe, expect, it } from 'vitest'
import { maskKey, parsePublishName } from '../../../src/ingest/publish-name.ts'

describe('publish name', () => {
  it.each([
    ['live', '', 'K', 'K', 'default'],
    ['live/K', '', 'cam2', 'K', 'cam2'],
    ['live/K', '', '', 'K', 'default'],
    ['live/K', '', 'default', 'K', 'default'],
    ['live/K', '', 'live', 'K', 'default'],
    ['live', '', 'K/cam2', 'K', 'cam2'],
    ['live/', '', '/K', 'K', 'default'],
    ['live', '', 'cam1?key=K', 'K', 'cam1'],
    ['live', '', '?key=K', 'K', 'default'],
    ['live?key=K', '', 'cam1', 'K', 'cam1'],
    ['live', 'rtmp://h/live?key=K', 'cam1', 'K', 'cam1'],
    ['live?key=A', 'rtmp://h/live?key=B', 'cam1?x=1&key=K', 'K', 'cam1'],
    ['live', '', 'a%2Db%3F', 'a-b?', 'default'],
    ['live', '', 'cam1?key=a%26b+c', 'a&b+c', 'cam1'],
  ])('app %j, url %j, name %j is key %j, layer %j', (app, tcUrl, name, key, layer) => {
    expect(parsePublishName(app, tcUrl, name)).toEqual({ app: 'live', key, layer })
  })

  it.each([
    ['live', ''],
    ['', 'K'],
    ['live/K/x', 'cam'],
    ['live/K', 'a/b'],
    ['live?key=K', 'a/b'],
    ['live', 'K%zz'],
    ['live', 'K y'],
    ['live', 'K%00'],
    ['live', 'ключ'],
    ['live', 'K'.repeat(129)],
    ['live/K', '../etc'],
    ['live/K', 'x'.repeat(65)],
    ['live/K', 'cam%0aera'],
    ['live', '?key='],
    ['live', 'x'.repeat(2000)],
  ])('app %j, name %j names nothing', (app, name) => {
    expect(parsePublishName(app, '', name)).toBeUndefined()
  })

  it('never shows enough of a key to publish with it', () => {
    expect(maskKey('secret')).toBe('***')
    expect(maskKey('abcdefghijklmnop')).toBe('abc***')
  })
})
