import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ffmpeg } from '../../support/ffmpeg.ts'

/** Files that ffmpeg makes, by name; each process makes several, since to start one takes longer than most of them. */
export type MediaFiles = { readonly [Name in (typeof names)[number]]: string }

const names = [
  ...(['base', 'oneKey', 'otherKeys', 'short', 'half'] as const),
  ...([
    'front',
    'plain',
    'signed',
    'fragments',
    'indexed',
    'frames',
    'quicktime',
    'late',
    'early',
    'cut',
    'languages',
  ] as const),
  ...(['hevc', 'vp9', 'av1', 'sounds'] as const),
] as const

const PICTURES = ['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=8']
const SOUND = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=8']
const BOTH = ['-map', '0:v', '-map', '1:a']
const AAC = ['-c:a', 'aac', '-ac', '2']
const X265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none', '-pix_fmt', 'yuv420p10le']
const VP9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8']
const SUBTITLES = '1\n00:00:01,000 --> 00:00:03,000\nHello\n'

/** x264 with three B-frames and a key frame each `gop` frames, neither more nor less. */
function x264(gop: number): string[] {
  const rules = `b-adapt=0:keyint=${gop}:min-keyint=${gop}:scenecut=0`
  return ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '3', '-pix_fmt', 'yuv420p', '-x264-params', rules]
}

function languages(...codes: readonly string[]): string[] {
  return codes.flatMap((code, index) => [`-metadata:s:a:${index}`, `language=${code}`])
}

/**
 * Makes them all in a folder. `base` is eight seconds of pictures and sound: H.264 with B-frames, two seconds from key frame to key
 * frame, and AAC; most of the others are its packets in another layout, the last four its first half second in other codecs.
 */
export async function makeMediaFiles(folder: string): Promise<MediaFiles> {
  const pathOf = (name: (typeof names)[number]) => join(folder, `${name}.${name === 'quicktime' ? 'mov' : 'mp4'}`)
  const pictures = (name: (typeof names)[number], ...args: readonly string[]) => ['-map', '0:v', ...args, pathOf(name)]
  await ffmpeg(
    ...[...PICTURES, ...SOUND, ...BOTH, ...x264(50), ...AAC, pathOf('base')],
    ...pictures('oneKey', ...x264(9_999)),
    ...pictures('otherKeys', ...x264(60)),
    ...pictures('short', '-t', '1.52', ...x264(50)),
    ...[...BOTH, '-s', '80x44', '-r', '12.5', ...x264(25), ...AAC, pathOf('half')],
  )
  const base = pathOf('base')
  const subtitles = join(folder, 'subtitles.srt')
  writeFileSync(subtitles, SUBTITLES)
  const copy = (name: (typeof names)[number], maps: string, ...args: readonly string[]) => [
    ...maps.split(' ').flatMap((map) => ['-map', map]),
    ...['-c', 'copy', ...args, pathOf(name)],
  ]
  await ffmpeg(
    ...['-i', base, '-itsoffset', '0.35', '-i', base, '-ss', '2.7', '-i', base, '-i', subtitles],
    ...copy('front', '0', '-movflags', 'faststart'),
    ...copy('plain', '0', '-use_editlist', '0'),
    ...copy('signed', '0', '-movflags', 'negative_cts_offsets'),
    ...copy('fragments', '0', '-movflags', 'frag_keyframe+delay_moov'),
    ...copy('indexed', '0', '-movflags', 'dash+global_sidx'),
    ...copy('frames', '0', '-movflags', 'frag_every_frame+empty_moov+default_base_moof'),
    ...copy('quicktime', '0'),
    ...copy('late', '0:v 1:a'),
    ...copy('early', '1:v 0:a'),
    ...copy('cut', '2'),
    ...copy('languages', '0:v 0:a 0:a 3', '-c:s', 'mov_text', ...languages('eng', 'deu')),
  )
  const short = ['-t', '0.5', ...BOTH]
  await ffmpeg(
    ...[...PICTURES, ...SOUND, ...short, ...X265, '-tag:v', 'hvc1', '-c:a', 'ac3', pathOf('hevc')],
    ...[...short, ...VP9, '-c:a', 'flac', '-strict', '-2', pathOf('vp9')],
    ...[...short, '-c:v', 'libsvtav1', '-preset', '12', '-c:a', 'libopus', pathOf('av1')],
    ...['-t', '0.5', '-map', '1:a', '-map', '1:a', '-c:a:0', 'eac3', '-c:a:1', 'libmp3lame', pathOf('sounds')],
  )
  return Object.fromEntries(names.map((name) => [name, pathOf(name)])) as MediaFiles
}
