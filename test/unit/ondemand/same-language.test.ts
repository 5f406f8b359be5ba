import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { buildMpd } from '../../../src/manifest/dash-mpd.ts'
import { buildMasterPlaylist } from '../../../src/manifest/hls-master.ts'
import { buildSmoothManifest } from '../../../src/manifest/smooth-manifest.ts'
import { type FilePresentation, openFilePresentation } from '../../../src/ondemand/file-presentation.ts'
import { childUris } from '../../../src/origin/child-urls.ts'
import { textUris } from '../../../src/origin/text-uris.ts'
import type { TextRendition } from '../../../src/presentation/text-rendition.ts'
import { TextedView } from '../../../src/presentation/texted-view.ts'
import { ffmpeg } from '../../support/ffmpeg.ts'
import { readIntoMemory } from '../../support/source-files.ts'

let folder: string
let film: FilePresentation
let surround: FilePresentation
let set: FilePresentation

/** A film with English, a commentary in English and German; one with English in stereo, surround in two codecs and a commentary; and the same English sound in another quality beside another picture. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'same-language-'))
  const path = (name: string) => join(folder, name)
  const english = ['-metadata:s:a:0', 'language=eng']
  const aac = (bitrate: string) => [
    '-c:a',
    'aac',
    '-b:a',
    bitrate,
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-t',
    '1',
  ]
  await ffmpeg(
    ...['-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=25', '-f', 'lavfi', '-i', 'sine=440:sample_rate=48000'],
    ...['-f', 'lavfi', '-i', 'sine=660:sample_rate=48000', '-map', '0:v', '-map', '1:a', '-map', '2:a', '-map', '1:a'],
    ...[
      ...aac('64k'),
      ...english,
      '-metadata:s:a:1',
      'language=eng',
      '-metadata:s:a:2',
      'language=deu',
      path('film.mp4'),
    ],
    ...['-map', '0:v', '-map', '1:a', '-map', '1:a', '-map', '1:a', '-map', '2:a', ...aac('64k'), '-c:a:1', 'ac3'],
    ...[...[0, 1, 2, 3].flatMap((at) => [`-metadata:s:a:${at}`, 'language=eng']), '-ac:a:0', '2', '-ac:a:3', '2'],
    ...['-ac:a:1', '6', '-ac:a:2', '6', path('surround.mp4')],
    ...['-map', '0:v', '-map', '1:a', ...aac('48k'), ...english, path('a.mp4')],
    ...['-map', '0:v', '-map', '1:a', '-s', '32x24', ...aac('96k'), ...english, path('b.mp4')],
  )
  const { signal } = new AbortController()
  film = await openFilePresentation('film', [readIntoMemory(path('film.mp4'))], signal)
  surround = await openFilePresentation('surround', [readIntoMemory(path('surround.mp4'))], signal)
  set = await openFilePresentation('set', ['a.mp4', 'b.mp4'].map(path).map(readIntoMemory), signal)
}, 30_000)

afterAll(() => rmSync(folder, { recursive: true }))

const uris = childUris('alias', 'digest')
const audioSets = (mpd: string) => mpd.match(/<AdaptationSet[^>]*contentType="audio"[\s\S]*?<\/AdaptationSet>/g) ?? []
const numberOf = (text: string, what: RegExp) => text.match(what)?.length ?? 0

it('has a commentary in the language of the film as a choice of its own, which no player makes by itself', () => {
  expect(film.view.renditions.map(({ tracks: [track] }) => [track?.language, track?.alternative])).toEqual([
    [undefined, undefined],
    ['en', undefined],
    ['en', 1],
    ['de', undefined],
  ])
  const media = buildMasterPlaylist(film.view, uris).match(/^#EXT-X-MEDIA.*/gm) ?? []
  expect(media.map((line) => line.replace(/^.*(NAME.*),CHANNELS.*$/, '$1'))).toEqual([
    'NAME="audio-1",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES',
    'NAME="audio-2",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=NO',
    'NAME="audio-3",LANGUAGE="de",DEFAULT=NO,AUTOSELECT=YES',
  ])
  const sets = audioSets(buildMpd(film.view, uris))
  expect(sets.map((one) => [/lang="(\w+)"/.exec(one)?.[1], /Role.*value="(\w+)"/.exec(one)?.[1]])).toEqual([
    ['en', 'main'],
    ['en', 'alternate'],
    ['de', 'main'],
  ])
  expect(sets.map((one) => numberOf(one, /<Representation/g))).toEqual([1, 1, 1])
  expect(sets[1]).toContain('<Label>audio-2</Label>')
  const streams = buildSmoothManifest(film.view).match(/<StreamIndex Type="audio"[^>]*/g) ?? []
  expect(streams.map((one) => /Name="([^"]*)" Language="(\w+)"/.exec(one)?.slice(1))).toEqual([
    ['audio', 'en'],
    ['audio_en', 'en'],
    ['audio_de', 'de'],
  ])
})

it('takes surround sound, in whichever codec, for the same content in another form', () => {
  const tracks = surround.view.renditions.flatMap((rendition) => rendition.tracks)
  const told = tracks.flatMap(({ config, alternative }) =>
    config.kind === 'audio' ? [[config.codec, config.channels, alternative]] : [],
  )
  expect(told).toEqual([
    ['aac', 2, undefined],
    ['ac3', 6, undefined],
    ['aac', 6, undefined],
    ['aac', 2, 1],
  ])
  const roles = audioSets(buildMpd(surround.view, uris)).map((one) => /Role.*value="(\w+)"/.exec(one)?.[1])
  expect(roles).toEqual(['main', 'main', 'main', 'alternate'])
  const streams = buildSmoothManifest(surround.view).match(/<StreamIndex Type="audio"[^>]*/g) ?? []
  expect(new Set(streams.map((one) => /Name="([^"]*)"/.exec(one)?.[1])).size).toBe(streams.length)
})

it('takes the sound of several files of a set for qualities of one', () => {
  expect(set.view.renditions.filter(({ kind }) => kind === 'audio')).toHaveLength(2)
  expect(audioSets(buildMpd(set.view, uris)).map((one) => numberOf(one, /<Representation/g))).toEqual([2])
})

it('leaves the choice between texts that are alike to the viewer', () => {
  const text = (name: string, language: string, role: TextRendition['role']): TextRendition => {
    return { id: name, name, language, role, codec: 'wvtt', bandwidth: 100, zeroTicks: 0 }
  }
  const texts = [
    text('English', 'en', 'subtitle'),
    text('English (SDH)', 'en', 'caption'),
    text('English (forced)', 'en', 'forced'),
    text('English 2', 'en', 'subtitle'),
    text('Deutsch', 'de', 'subtitle'),
  ]
  const options = { texts: textUris('alias', 'digest', 'fragments', '') }
  const master = buildMasterPlaylist(new TextedView(film.view, texts), uris, options)
  const listed = master.match(/^#EXT-X-MEDIA:TYPE=SUBTITLES.*/gm) ?? []
  expect(listed.map((line) => /AUTOSELECT=(\w+),FORCED=(\w+)/.exec(line)?.slice(1))).toEqual([
    ['YES', 'NO'],
    ['YES', 'NO'],
    ['YES', 'YES'],
    ['NO', 'NO'],
    ['YES', 'NO'],
  ])
})
