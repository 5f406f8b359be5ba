import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { DataDir } from '../../../src/roles/data-dir.ts'

const root = mkdtempSync(join(tmpdir(), 'headend-data-'))
afterAll(() => rmSync(root, { recursive: true }))

const modeOf = (path: string) => statSync(path).mode & 0o777
const unwritable = expect.objectContaining({ code: 'STATE_UNWRITABLE' })

describe('DataDir', () => {
  it('makes its folder and those above it, for the owner alone', () => {
    const path = join(root, 'a/b/c')
    expect(new DataDir(path).path).toBe(path)
    expect(modeOf(path)).toBe(0o700)
    new DataDir(path)
  })

  it('writes whole documents of mode 0600 and leaves nothing else behind', async () => {
    const dir = new DataDir(join(root, 'whole'))
    await dir.writeJson('one.json', { a: 1 })
    await dir.writeJson('deep/two.json', [2])
    expect(modeOf(join(dir.path, 'one.json'))).toBe(0o600)
    expect(modeOf(join(dir.path, 'deep'))).toBe(0o700)
    expect(dir.readJson('one.json')).toEqual({ a: 1 })
    expect(dir.readJson('deep/two.json')).toEqual([2])
    expect(readdirSync(dir.path).sort()).toEqual(['deep', 'one.json'])
  })

  it('shows a reader the old document or the new one, never a part', async () => {
    const dir = new DataDir(join(root, 'atomic'))
    const value = (n: number) => ({ n, filler: 'x'.repeat(200_000) })
    await dir.writeJson('big.json', value(0))
    let writing = true
    const writes = (async () => {
      for (let n = 1; n <= 20; n++) await dir.writeJson('big.json', value(n))
      writing = false
    })()
    const seen = new Set<number>()
    while (writing) {
      const { n, filler } = dir.readJson('big.json') as { n: number; filler: string }
      expect(filler).toHaveLength(200_000)
      seen.add(n)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await writes
    expect(seen.size).toBeGreaterThan(1)
    expect(readdirSync(dir.path)).toEqual(['big.json'])
  })

  it('is written to by two at once without harm', async () => {
    const dir = new DataDir(join(root, 'two'))
    await Promise.all(Array.from({ length: 10 }, (_, n) => dir.writeJson('x.json', { n })))
    expect(dir.readJson('x.json')).toHaveProperty('n')
    expect(readdirSync(dir.path)).toEqual(['x.json'])
  })

  it('keeps the old document, and nothing aside, where the new one can not be written', async () => {
    const dir = new DataDir(join(root, 'failed'))
    // A folder stands where the document should go: the rename fails, after everything was written aside.
    mkdirSync(join(dir.path, 'taken.json/child'), { recursive: true })
    await expect(dir.writeJson('taken.json', 1)).rejects.toEqual(unwritable)
    expect(readdirSync(dir.path)).toEqual(['taken.json'])
  })

  it('tells absent from broken', () => {
    const dir = new DataDir(join(root, 'broken'))
    expect(dir.readJson('none.json')).toBeUndefined()
    writeFileSync(join(dir.path, 'half.json'), '{"a":')
    expect(() => dir.readJson('half.json')).toThrow(unwritable)
  })

  it('removes a document, and does not mind when there is none', async () => {
    const dir = new DataDir(join(root, 'removed'))
    await dir.writeJson('x.json', 1)
    await dir.remove('x.json')
    await dir.remove('x.json')
    expect(dir.readJson('x.json')).toBeUndefined()
  })

  it('says at once when the folder can not be made', () => {
    writeFileSync(join(root, 'file'), '')
    symlinkSync(join(root, 'nowhere/at/all'), join(root, 'dangling'))
    // Node's own recursive mkdir never returns from the last one.
    for (const path of [join(root, 'file'), join(root, 'file/inside'), join(root, 'dangling'), '/proc/headend']) {
      expect(() => new DataDir(path), path).toThrow(unwritable)
    }
    expect(readFileSync(join(root, 'file'), 'utf8')).toBe('')
  })
})
