import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { ladderSchema, loadLadder, parseLadder, parseLadderYaml } from '../../../src/transcode/ladder.ts'

const presetFolder = new URL('../../../config/ladders/', import.meta.url).pathname

function problemsOf(value: unknown): string[] {
  try {
    parseLadder(value, 'mine')
  } catch (error) {
    if (error instanceof AppError && error.code === 'LADDER_INVALID')
      return [...(error.details['problems'] as string[])]
    throw error
  }
  return []
}

test('every preset is valid and named as its file', async () => {
  const files = (await readdir(presetFolder)).sort()
  expect(files.length).toBeGreaterThanOrEqual(8)
  for (const file of files) {
    const name = file.replace('.yaml', '')
    expect((await loadLadder(name, [presetFolder])).name).toBe(name)
  }
})

test('720p is the standard ladder', async () => {
  const ladder = await loadLadder('720p', [presetFolder])
  expect(ladder.rungs.map(({ bitrateKbps, width, height }) => [bitrateKbps, width, height])).toEqual([
    [3500, 1280, 720],
    [2200, 960, 540],
    [1350, 704, 396],
    [850, 512, 288],
    [550, 384, 216],
    [200, 340, 192],
  ])
  expect(ladder).toMatchObject({ videoCodec: 'avc', videoEncoder: 'software', preset: 'veryfast' })
  expect(ladder.audio).toEqual({ bitrateKbps: 128, sampleRateHz: 48_000, channels: 2 })
})

test('all problems are told at once, each with its key path', () => {
  const problems = problemsOf({
    name: 'Mine',
    codec: 'avc',
    rungs: [
      { width: 641, height: 360, bitrateKbps: 500 },
      { width: 320, bitrateKbps: 10 },
    ],
    audio: { bitrateKbps: 'loud' },
  }).join('\n')
  for (const path of [
    'name:',
    'rungs.0.width:',
    'rungs.1.height:',
    'rungs.1.bitrateKbps:',
    'audio.bitrateKbps:',
    'codec',
  ]) {
    expect(problems).toContain(path)
  }
})

test('rungs go down, a peak is not below its average, and a preset is one of the encoder', () => {
  const problems = problemsOf({
    name: 'odd',
    preset: 'p4',
    rungs: [
      { width: 320, height: 180, bitrateKbps: 500, maxrateKbps: 400 },
      { width: 640, height: 360, bitrateKbps: 500 },
    ],
  })
  expect(problems).toEqual([
    'preset: libx264 knows slow, medium, fast, faster, veryfast, superfast, ultrafast',
    'rungs.0.maxrateKbps: below bitrateKbps',
    'rungs.1.bitrateKbps: not below the rung above',
    'rungs.1: larger than the rung above',
  ])
  expect(
    problemsOf({
      name: 'va',
      videoEncoder: 'vaapi',
      preset: 'fast',
      rungs: [{ width: 64, height: 64, bitrateKbps: 50 }],
    }),
  ).toEqual(['preset: h264_vaapi knows no preset'])
})

test('text that is not YAML and a file that is not there are LADDER_INVALID', async () => {
  expect(() => parseLadderYaml('a: [', 'mine')).toThrow(expect.objectContaining({ code: 'LADDER_INVALID' }))
  await expect(loadLadder('nowhere', [presetFolder])).rejects.toMatchObject({ code: 'LADDER_INVALID' })
})

test('a folder of one’s own goes before ours, and a name leads nowhere else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headend-ladders-'))
  try {
    const text = 'name: mine\nrungs: [{ width: 640, height: 360, bitrateKbps: 800 }]\n'
    writeFileSync(join(folder, '720p.yaml'), text)
    expect((await loadLadder('720p', [folder, presetFolder])).name).toBe('mine')
    expect((await loadLadder('1080p', [folder, presetFolder])).name).toBe('1080p')
    await expect(loadLadder(join(folder, '720p.yaml'), [presetFolder])).rejects.toMatchObject({
      code: 'LADDER_INVALID',
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('what is left out has its documented default', () => {
  expect(ladderSchema.parse({ name: 'x', rungs: [{ width: 640, height: 360, bitrateKbps: 800 }] })).toEqual({
    name: 'x',
    videoCodec: 'avc',
    videoEncoder: 'software',
    bFrames: 2,
    lookaheadFrames: 0,
    zeroLatency: false,
    rungs: [{ width: 640, height: 360, bitrateKbps: 800 }],
    audio: { bitrateKbps: 128, sampleRateHz: 48_000, channels: 2 },
  })
})
