import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Spool } from '../../../src/archive/spool/spool-folder.ts'

const root = mkdtempSync(join(tmpdir(), 'headend-spool-'))
afterAll(() => rmSync(root, { recursive: true }))

const piece = (size: number, fill: number) => new Uint8Array(size).fill(fill)

describe('a folder of the spool', () => {
  it('has files that are written in pieces, anywhere, read, cut and removed', async () => {
    const spool = new Spool(join(root, 'files'), 0)
    const folder = await spool.folder('as_one')
    const file = await folder.create('b.jrn')
    const pieces = Array.from({ length: 3_000 }, (_, index) => piece(7, index % 251))
    await file.write(pieces, 0)
    await file.write([piece(5, 255)], 2)
    await file.sync()
    expect(await file.size()).toBe(21_000)
    expect(Buffer.from(await file.read(0, 9)).toString('hex')).toBe('0000ffffffffff0101')
    expect(Buffer.from(await file.read(20_990, 100))).toEqual(Buffer.concat(pieces).subarray(20_990))
    await file.truncate(4)
    expect((await file.read(0, 100)).byteLength).toBe(4)
    await file.close()
    await expect(folder.create('b.jrn')).rejects.toMatchObject({ code: 'EEXIST' })
    await folder.put('a.chunk', Buffer.from('one'))
    await folder.put('a.chunk', Buffer.from('two'))
    expect(Buffer.from(await folder.get('a.chunk')).toString()).toBe('two')
    writeFileSync(join(root, 'files', 'as_one', '.left-behind'), '')
    expect(await folder.list()).toEqual(['a.chunk', 'b.jrn'])
    const again = await folder.open('b.jrn')
    expect((await again.read(0, 100)).byteLength).toBe(4)
    await again.close()
    await folder.remove('b.jrn')
    await folder.remove('b.jrn')
    expect(await spool.recordings()).toEqual(['as_one'])
    await folder.destroy()
    await folder.destroy()
    expect([await spool.recordings(), await folder.list()]).toEqual([[], []])
  })

  it('belongs to nobody else, and leaves nothing of what could not be put', async () => {
    const folder = await new Spool(join(root, 'mode'), 0).folder('as_one')
    await folder.put('a', Buffer.from('a'))
    const path = join(root, 'mode', 'as_one')
    expect([statSync(path).mode & 0o777, statSync(join(path, 'a')).mode & 0o777]).toEqual([0o700, 0o600])
    await expect(folder.put('none/b', Buffer.from('b'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(readdirSync(path)).toEqual(['a'])
  })

  it('keeps some of the disk free for others', async () => {
    const spool = new Spool(join(root, 'full'), Number.MAX_SAFE_INTEGER)
    const folder = await spool.folder('as_one')
    await expect(folder.create('a.jrn')).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    expect(await folder.list()).toEqual([])
  })

  it('says so where it can not be made, and has nothing where there is none', async () => {
    writeFileSync(join(root, 'file'), '')
    await expect(new Spool(join(root, 'file'), 0).folder('a')).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
    expect(await new Spool(join(root, 'nowhere'), 0).recordings()).toEqual([])
  })
})
