import { describe, expect, it } from 'vitest'
import type { AssetFile } from '../../../src/domain/asset-file.ts'
import { publishedFiles } from '../../../src/domain/file-set.ts'

function file(name: string, more: Partial<AssetFile> = {}): AssetFile {
  const fresh = { id: `af_${name}`, assetId: 'as_one', name, state: 'Ready', sizeBytes: 10, sha256: 'a'.repeat(64) }
  return { ...fresh, mimeType: 'application/octet-stream', isPrimary: false, ...more } as AssetFile
}

describe('the files that an asset publishes', () => {
  it('are its MP4 and QuickTime files that were uploaded whole, by extension or media type, in the order of their names', () => {
    const published = publishedFiles([
      file('c.MOV'),
      file('b.mp4'),
      file('notes.txt'),
      file('half.mp4', { state: 'Uploading' }),
      file('sound.m4a'),
      file('bare', { mimeType: 'video/mp4' }),
      file('page.mp4', { mimeType: 'text/html' }),
    ])
    expect(published?.files.map(({ name, contentType, blob }) => [name, contentType, blob])).toEqual([
      ['b.mp4', 'video/mp4', 'as_one/files/af_b.mp4'],
      ['bare', 'video/mp4', 'as_one/files/af_bare'],
      ['c.MOV', 'video/quicktime', 'as_one/files/af_c.MOV'],
      ['page.mp4', 'video/mp4', 'as_one/files/af_page.mp4'],
      ['sound.m4a', 'audio/mp4', 'as_one/files/af_sound.m4a'],
    ])
    expect(publishedFiles([file('notes.txt'), file('half.mp4', { state: 'Failed' })])).toBeUndefined()
  })

  it('go by the name of the primary file, of whichever kind, else of the first', () => {
    const files = [file('b.final.mp4'), file('a.mp4')]
    expect(publishedFiles(files)?.manifestName).toBe('a')
    expect(publishedFiles([file('z.mp4', { isPrimary: true }), ...files])?.manifestName).toBe('z')
    expect(publishedFiles([file('Film.ism', { isPrimary: true }), ...files])?.manifestName).toBe('Film')
    expect(publishedFiles([file('.mp4', { mimeType: 'video/mp4' })])?.manifestName).toBe('.mp4')
    expect(publishedFiles([file('later.mp4', { isPrimary: true, state: 'Pending' }), ...files])?.manifestName).toBe('a')
  })

  it('have a digest that is another when a file is added, replaced, renamed or deleted, and the same otherwise', () => {
    const [a, b] = [file('a.mp4'), file('b.mp4')]
    const digest = (...files: AssetFile[]) => publishedFiles(files)?.digest
    expect(digest(a, b)).toBe(digest(b, { ...a, description: 'the best' }))
    const digests = [
      digest(a, b),
      digest(a),
      digest(a, { ...b, id: 'af_other' as AssetFile['id'] }),
      digest(a, { ...b, name: 'c.mp4' }),
      digest(a, { ...b, sha256: 'b'.repeat(64) }),
    ]
    expect(new Set(digests).size).toBe(digests.length)
  })
})
