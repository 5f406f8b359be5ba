import { describe, expect, it } from 'vitest'
import { idPrefixes, kinds } from '../../../src/domain/kinds.ts'
import {
  type Action,
  actIn,
  actions,
  assertMay,
  may,
  permissions,
  type Resource,
  roles,
} from '../../../src/domain/permissions.ts'

/** r read, c create, u update, d delete, o operate, s read-secret, x rotate-secret; in the order admin, operator, viewer, system. */
const letters: Readonly<Record<Action, string>> = {
  read: 'r',
  create: 'c',
  update: 'u',
  delete: 'd',
  operate: 'o',
  'read-secret': 's',
  'rotate-secret': 'x',
}
const matrix: Readonly<Record<Resource, readonly [string, string, string, string]>> = {
  account: ['r-u----', 'r------', 'r------', 'rcud---'],
  asset: ['rcud---', 'rcud---', 'r------', '-------'],
  'asset-file': ['rcudo--', 'rcudo--', 'r------', '-------'],
  'audit-record': ['r------', '-------', '-------', 'r------'],
  channel: ['rcudosx', 'rcudosx', 'r------', '-------'],
  'content-key': ['rcud-sx', 'r------', '-------', '-------'],
  credential: ['rcud--x', '-------', '-------', '-------'],
  'dead-letter': ['r--do--', 'r------', '-------', '-------'],
  'delivery-policy': ['rcud---', 'r------', 'r------', '-------'],
  event: ['r------', 'r------', 'r------', '-------'],
  'event-subscription': ['rcudo-x', 'r------', '-------', '-------'],
  filter: ['rcud---', 'rcud---', 'r------', '-------'],
  job: ['rcudo--', 'rcudo--', 'r------', '-------'],
  'key-authorization-policy': ['rcud---', '-------', '-------', '-------'],
  locator: ['rc-d---', 'rc-d---', 'r------', '-------'],
  'media-processor': ['r------', 'r------', 'r------', '-------'],
  'media-stream': ['rcudo--', 'rcudo--', 'r------', '-------'],
  operation: ['r------', 'r------', 'r------', 'r------'],
  'period-key': ['-------', '-------', '-------', '-------'],
  program: ['rcudo--', 'rcudo--', 'r------', '-------'],
  'storage-account': ['rcud---', 'r------', '-------', '-------'],
  'storage-task': ['-------', '-------', '-------', '-------'],
  'streaming-endpoint': ['r-u-o--', 'r---o--', 'r------', '-------'],
  task: ['r------', 'r------', 'r------', '-------'],
}

describe('permissions', () => {
  it('say something of every role, action and kind', () => {
    expect(Object.keys(permissions)).toEqual([...roles])
    for (const role of roles) expect(new Set(Object.keys(permissions[role]))).toEqual(new Set([...kinds, 'event']))
    expect(kinds.length).toBe(Object.keys(idPrefixes).length)
  })

  it.each(Object.entries(matrix))('%s: as the matrix says', (resource, expected) => {
    for (const [index, role] of (['admin', 'operator', 'viewer', 'system'] as const).entries()) {
      const actual = actions.map((action) => (may(role, action, resource as Resource) ? letters[action] : '-')).join('')
      expect(`${role} ${actual}`).toBe(`${role} ${expected[index]}`)
    }
  })

  it('refuse with a code', () => {
    expect(() => assertMay('viewer', 'create', 'channel')).toThrow(
      expect.objectContaining({ code: 'PERMISSION_DENIED', kind: 'forbidden' }),
    )
    expect(() => assertMay('operator', 'create', 'channel')).not.toThrow()
  })
})

describe('the account in which a request acts', () => {
  it('is the credential’s own', () => {
    const own = { role: 'viewer', accountId: 'ac_1' } as const
    expect(actIn(own, undefined)).toEqual(own)
    expect(actIn(own, 'ac_1')).toEqual(own)
  })

  it('is never told to exist where it is another’s', () => {
    const notFound = expect.objectContaining({ code: 'ENTITY_NOT_FOUND', kind: 'not-found' })
    expect(() => actIn({ role: 'admin', accountId: 'ac_1' }, 'ac_2')).toThrow(notFound)
    expect(() => actIn({ role: 'admin', accountId: 'ac_1' }, 'system')).toThrow(notFound)
  })

  it('is picked by system, as its admin', () => {
    const system = { role: 'system', accountId: 'system' } as const
    expect(actIn(system, 'ac_2')).toEqual({ role: 'admin', accountId: 'ac_2' })
    expect(actIn(system, undefined)).toEqual(system)
    expect(actIn(system, 'system')).toEqual(system)
  })
})
