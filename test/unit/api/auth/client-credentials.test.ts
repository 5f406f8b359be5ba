import { describe, expect, it } from 'vitest'
import { clientLogin } from '../../../../src/api/auth/client-credentials.ts'

const grant = { grant_type: 'client_credentials' }
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

describe('the client of a token request', () => {
  it('comes by HTTP Basic, form-encoded inside (RFC 6749 §2.3.1)', () => {
    expect(clientLogin(grant, basic('cr_1:se-cret_'))).toEqual({
      credentialId: 'cr_1',
      secret: 'se-cret_',
      byHeader: true,
    })
    expect(clientLogin(grant, basic('a%3Ab:c%20d+e:f'))).toMatchObject({ credentialId: 'a:b', secret: 'c d e:f' })
    expect(clientLogin({ ...grant, client_id: 'cr_1' }, basic('cr_1:s'))).toMatchObject({ credentialId: 'cr_1' })
  })

  it('or in the body', () => {
    const body = { ...grant, client_id: 'cr_1', client_secret: 's' }
    expect(clientLogin(body, undefined)).toEqual({ credentialId: 'cr_1', secret: 's', byHeader: false })
  })

  it.each([
    ['invalid_request', {}, undefined],
    ['invalid_request', { grant_type: '' }, basic('a:b')],
    ['invalid_request', { grant_type: ['client_credentials', 'client_credentials'] }, basic('a:b')],
    ['invalid_request', { grant_type: 7 }, basic('a:b')],
    ['unsupported_grant_type', { grant_type: 'password' }, basic('a:b')],
    ['invalid_scope', { ...grant, scope: 'admin' }, basic('a:b')],
    ['invalid_request', { ...grant, client_id: 'a', client_secret: 'b' }, basic('a:b')],
    ['invalid_request', { ...grant, client_id: 'c' }, basic('a:b')],
    ['invalid_request', { ...grant, client_id: ['a', 'a'], client_secret: 'b' }, undefined],
    ['invalid_client', grant, undefined],
    ['invalid_client', { ...grant, client_id: 'a' }, undefined],
    ['invalid_client', { ...grant, client_secret: 'b' }, undefined],
    ['invalid_client', grant, 'Bearer x'],
    ['invalid_client', grant, 'Basic'],
    ['invalid_client', grant, basic('no-colon')],
    ['invalid_client', grant, basic(':secret')],
    ['invalid_client', grant, basic('a:%zz')],
  ])('is told %s for %j with %s', (error, body, authorization) => {
    expect(clientLogin(body, authorization)).toMatchObject({ error, description: expect.stringMatching(/\.$/) })
  })

  it('is challenged where it tried, or could have tried, by header', () => {
    expect(clientLogin(grant, undefined)).toMatchObject({ challenge: true })
    expect(clientLogin(grant, 'Basic !')).toMatchObject({ challenge: true })
  })
})
