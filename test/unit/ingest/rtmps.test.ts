import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { plainDemuxer, startIngest } from '../../support/rtmp-ingest.ts'
import { RtmpPublisher } from '../../support/rtmp-publisher.ts'
import { until } from '../../support/until.ts'

describe('RTMPS ingest', () => {
  it('serves RTMPS, with the certificate of the moment', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rtmps-'))
    const make = (name: string) => {
      const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)]
      const subject = ['-subj', `/CN=${name}`, '-days', '1', '-nodes']
      const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
      execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' })
      return { key: readFileSync(key), cert: readFileSync(cert) }
    }
    let current = make('first')
    const { listener, gate, observer, target } = await startIngest(
      {},
      { tls: () => current, createDemuxer: plainDemuxer },
    )
    const commonName = (encoder: RtmpPublisher) => (encoder.socket as TLSSocket).getPeerCertificate().subject.CN
    const first = await RtmpPublisher.publish({ ...target, secure: true })
    expect(gate.requests[0]?.secure).toBe(true)
    current = make('second')
    listener.setSecureContext()
    const second = await RtmpPublisher.publish({ ...target, secure: true })
    expect([commonName(first), commonName(second)]).toEqual(['first', 'second'])
    await first.send(9, 0, new Uint8Array(100_000))
    await until(() => gate.sinks[0]?.contributions.length === 1)
    // Plain RTMP on the TLS port: closed, and nobody else is touched.
    const plain = await RtmpPublisher.open(target)
    await expect(plain.handshake()).rejects.toThrow('closed')
    await first.send(9, 1, Uint8Array.of(1))
    await until(() => gate.sinks[0]?.contributions.length === 2)
    await Promise.all([first.close(), second.close()])
    await until(() => observer.count('closed') === 3)
    current = { key: Buffer.from('no'), cert: Buffer.from('key') }
    expect(() => listener.setSecureContext()).toThrow(AppError)
    rmSync(folder, { recursive: true })
    await listener.stop()
  })
})
