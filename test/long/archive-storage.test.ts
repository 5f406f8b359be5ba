import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { recordOverKills } from '../support/archive-kills.ts'
import { temporaryFolder } from '../support/headend.ts'
import { startS3 } from '../support/s3-server.ts'

/** Every file under a folder. */
function filesIn(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))
  return names.filter((name) => statSync(name).isFile())
}

it('a recording in a bucket of S3 goes on over kill -9 and is played from there', async () => {
  const s3 = await startS3()
  try {
    const report = await recordOverKills({
      kills: 1,
      config: { storage: { allowPrivateEndpoints: true } },
      storage: {
        name: 'bucket',
        kind: 's3',
        location: { endpoint: s3.url, region: 'us-east-1', bucket: s3.bucket, prefix: 'live', forcePathStyle: true },
        credentials: { accessKeyId: 'S3RVER', secretAccessKey: s3.secret },
      },
      inspect: async (dataDir) => {
        // Nothing of it is kept on this node.
        expect(filesIn(join(dataDir, 'media'))).toEqual([])
        const puts = s3.requests.filter(({ method, key }) => method === 'PUT' && key.endsWith('.cmfs'))
        expect(puts.length).toBeGreaterThan(2)
      },
    })
    expect(report.problems).toEqual([])
    expect(report.errors).toEqual([])
  } finally {
    await s3.close()
  }
})

it('an encrypted recording goes on over kill -9, and nothing of its media can be read on the disk', async () => {
  const keyFile = join(temporaryFolder(), 'master.key')
  writeFileSync(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 })
  const seen = new Set<string>()
  const report = await recordOverKills({
    kills: 1,
    encryption: 'aes256',
    config: { storage: { masterKeys: [{ id: 'test', file: keyFile }] } },
    inspect: async (dataDir) => {
      for (const name of filesIn(join(dataDir, 'media'))) {
        const text = readFileSync(name).toString('latin1')
        // The boxes that every piece of it has, in the clear.
        for (const box of ['moof', 'mdat', 'ftyp', 'avcC', 'headend":"log chunk'])
          if (text.includes(box)) seen.add(`${box} in ${name}`)
      }
    },
  })
  expect([...seen]).toEqual([])
  expect(report.problems).toEqual([])
  expect(report.errors).toEqual([])
})
