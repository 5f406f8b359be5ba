import { join } from 'node:path'
import { ffmpeg } from '../ffmpeg.ts'
import { type MatrixText, writeTexts } from './texts.ts'

/** The files that sources are made of. */
export type MatrixMedia = {
  /** Published live: H.264 with B-frames and AAC. */
  readonly live: string
  /** A set: the same pictures in two sizes, each with sound. */
  readonly small: string
  readonly large: string
  /** HEVC with 10 bits a sample, and AAC. */
  readonly hevc: string
  readonly sound: string
  /** English and German beside one picture. */
  readonly languages: string
  /** Beside those. */
  readonly texts: readonly MatrixText[]
}

const PICTURE = ['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25']
const TONE = ['-f', 'lavfi', '-i', 'sine=440:sample_rate=48000']
const OTHER_TONE = ['-f', 'lavfi', '-i', 'sine=880:sample_rate=48000']
const GOP = ['-g', '25', '-keyint_min', '25', '-sc_threshold', '0', '-bf', '2']
const AVC = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', ...GOP]
const X265 = 'log-level=none:pools=none:keyint=25:min-keyint=25:scenecut=0:open-gop=0:bframes=2'
const HEVC = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', X265, '-pix_fmt', 'yuv420p10le']
const AAC = ['-c:a', 'aac', '-b:a', '64k', '-ac', '2']

/** Has ffmpeg make them: two runs, with an encoder for each track. */
export async function makeMedia(folder: string, seconds: number): Promise<MatrixMedia> {
  const at = (name: string) => join(folder, name)
  const media = {
    ...{ live: at('live.flv'), small: at('small.mp4'), large: at('large.mp4'), hevc: at('hevc.mp4') },
    ...{ sound: at('sound.m4a'), languages: at('languages.mp4') },
    texts: writeTexts(folder, 'languages', seconds),
  }
  const time = ['-t', `${seconds}`]
  const both = ['-map', '0:v', '-map', '1:a']
  const english = ['-metadata:s:a:0', 'language=eng']
  await ffmpeg(
    ...[...PICTURE, ...TONE, ...OTHER_TONE],
    ...[...both, ...AVC, ...AAC, ...time, '-f', 'flv', media.live],
    ...[...both, ...AVC, ...AAC, ...time, media.small],
    ...[...both, '-s', '640x360', ...AVC, ...AAC, ...time, '-movflags', '+faststart', media.large],
    ...[...both, '-s', '192x108', ...HEVC, '-tag:v', 'hvc1', ...AAC, ...time, media.hevc],
    ...['-map', '1:a', ...AAC, ...time, media.sound],
    ...[
      ...both,
      '-map',
      '2:a',
      ...AVC,
      ...AAC,
      ...english,
      '-metadata:s:a:1',
      'language=deu',
      ...time,
      media.languages,
    ],
  )
  return media
}
