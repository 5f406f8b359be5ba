import { describe, expect, it } from 'vitest'
import { readEnvironment } from '../../../src/config/environment.ts'

describe('readEnvironment', () => {
  it('turns names into key paths', () => {
    const keys = readEnvironment({
      HEADEND__LISTEN__RTMP__PORT: '0',
      HEADEND__DATA_DIR: '/srv',
      HEADEND__INGEST__MAX_CONNECTIONS_PER_ADDRESS: '7',
      HEADEND__TLS__CERT_FILE: '/c',
    })
    expect(Object.fromEntries(keys.map(({ path, text }) => [path.join('.'), text]))).toEqual({
      'listen.rtmp.port': '0',
      dataDir: '/srv',
      'ingest.maxConnectionsPerAddress': '7',
      'tls.certFile': '/c',
    })
  })

  it('leaves everything else alone', () => {
    expect(readEnvironment({ HEADEND: 'x', HEADEND_HOME: 'x', PATH: '/bin', headend__data_dir: 'x' })).toEqual([])
  })

  it('does not depend on the order of the variables', () => {
    const forth = { HEADEND__A: '1', HEADEND__B__C: '2', HEADEND__B: '3' }
    const back = Object.fromEntries(Object.entries(forth).reverse())
    expect(readEnvironment(back)).toEqual(readEnvironment(forth))
    expect(readEnvironment(forth).map(({ variable }) => variable)).toEqual([
      'HEADEND__A',
      'HEADEND__B',
      'HEADEND__B__C',
    ])
  })
})
