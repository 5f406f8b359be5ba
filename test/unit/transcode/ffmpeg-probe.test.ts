import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  checkEncoders,
  parseEncoderList,
  parseFfmpegVersion,
  probeFfmpeg,
} from '../../../src/transcode/ffmpeg-probe.ts'
import { parseLadder } from '../../../src/transcode/ladder.ts'

test.each([
  ['ffmpeg version 5.1.9-0+deb12u1 Copyright', [5, 1]],
  ['ffmpeg version n7.0 Copyright', [7, 0]],
  ['ffmpeg version 4.4.2-0ubuntu Copyright', [4, 4]],
  ['ffmpeg version N-112345-gabcdef Copyright', undefined],
])('%s', (text, number) => {
  expect(parseFfmpegVersion(text).number).toEqual(number)
})

test('encoder names are read from the list, its legend is not', () => {
  const text =
    ' V..... = Video\n A..... = Audio\n ------\n V....D libx264              libx264\n A..... aac                  AAC\n'
  expect([...parseEncoderList(text)]).toEqual(['libx264', 'aac'])
})

test('the ffmpeg of this machine is new enough and has the standard encoders', async () => {
  const binary = await probeFfmpeg('ffmpeg')
  const rungs = [{ width: 640, height: 360, bitrateKbps: 800 }]
  expect(() => checkEncoders(parseLadder({ name: 'x', rungs }, 'test'), binary)).not.toThrow()
  const without = { ...binary, encoders: new Set(['aac']) }
  expect(() => checkEncoders(parseLadder({ name: 'x', rungs }, 'test'), without)).toThrow(/needs the encoder libx264/)
})

test('a file that is not there is FFMPEG_MISSING, an old one FFMPEG_TOO_OLD', async () => {
  await expect(probeFfmpeg('/nonexistent/ffmpeg')).rejects.toMatchObject({ code: 'FFMPEG_MISSING' })
  const folder = await mkdtemp(join(tmpdir(), 'ffmpeg-probe-'))
  try {
    const path = join(folder, 'ffmpeg')
    await writeFile(path, '#!/bin/sh\necho "ffmpeg version 4.4.2 Copyright"\n')
    await chmod(path, 0o755)
    await expect(probeFfmpeg(path)).rejects.toMatchObject({ code: 'FFMPEG_TOO_OLD' })
  } finally {
    await rm(folder, { recursive: true })
  }
})
