import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { readTextTrack } from '../../src/ondemand/file-texts.ts'
import { readFileTracks } from '../../src/ondemand/file-tracks.ts'
import { memoryFile } from '../support/source-files.ts'

const PACKAGER = resolve('node_modules/shaka-packager/bin/packager-linux-x64')
const SOURCE = 'WEBVTT\n\n00:01.000 --> 00:05.000 line:0\nlong\n\n00:06.500 --> 00:07.000\nlate <i>x</i>\n'

it.each([
  ['wvtt', 'mp4'],
  ['stpp', 'ttml+mp4'],
])('reads the %s that shaka-packager writes', async (codec, format) => {
  const folder = mkdtempSync(join(tmpdir(), 'texts-'))
  const [input, output] = [join(folder, 'in.vtt'), join(folder, 'out.mp4')]
  writeFileSync(input, SOURCE)
  const asked = `in=${input},stream=text,output=${output},format=${format},language=de`
  const packaged = spawnSync(PACKAGER, [asked, '--quiet'], { encoding: 'utf8' })
  expect([packaged.status, packaged.stderr]).toEqual([0, ''])
  const source = memoryFile('out.mp4', readFileSync(output))
  rmSync(folder, { recursive: true })
  const { signal } = new AbortController()
  const [track] = (await readFileTracks(source, createHash('sha256'), signal)).texts
  expect(track?.told).toMatchObject({ language: 'de', name: 'Deutsch', codec })
  const { cues, skipped } = await readTextTrack(track as NonNullable<typeof track>, signal)
  expect([skipped, cues.map((cue) => [cue.startMs, cue.endMs, cue.text])]).toEqual([
    0,
    [
      [1_000, 5_000, 'long'],
      // shaka-packager writes tags of WebVTT as text into TTML.
      [6_500, 7_000, codec === 'wvtt' ? 'late <i>x</i>' : 'late &lt;i&gt;x&lt;/i&gt;'],
    ],
  ])
})
