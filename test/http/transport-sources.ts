import { join } from 'node:path'
import { ffmpeg } from '../support/ffmpeg.ts'

/** Seconds of each source but the odd one. */
export const SECONDS = 3
const FRAGMENTED = [
  ...['-movflags', '+frag_keyframe+delay_moov+default_base_moof', '-use_editlist', '0'],
  ...['-avoid_negative_ts', 'make_non_negative', '-f', 'mp4'],
]
const PICTURE = ['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25']
const GOP = ['-g', '25', '-keyint_min', '25', '-sc_threshold', '0', '-preset', 'ultrafast']

/** H.264 with AAC and AC-3; 10-bit HEVC with E-AC-3; H.264 with Opus. */
export type TransportSources = { readonly avc: string; readonly hevc: string; readonly odd: string }

/** Where they will be. */
export function sourcesIn(folder: string): TransportSources {
  return { avc: join(folder, 'avc.mp4'), hevc: join(folder, 'hevc.mp4'), odd: join(folder, 'odd.mp4') }
}

/** Has ffmpeg make them as fragmented MP4. */
export async function encodeSources(sources: TransportSources): Promise<void> {
  const tones = ['-f', 'lavfi', '-i', 'sine=440:sample_rate=44100', '-f', 'lavfi', '-i', 'sine=880:sample_rate=48000']
  const x265 = 'log-level=none:keyint=25:min-keyint=25:scenecut=0:open-gop=0:bframes=2:pools=none'
  const time = ['-t', `${SECONDS}`]
  await Promise.all([
    ffmpeg(
      ...[...PICTURE, ...tones, '-map', '0', '-map', '1', '-map', '2', '-c:v', 'libx264', ...GOP, '-bf', '2'],
      ...['-pix_fmt', 'yuv420p', '-c:a:0', 'aac', '-c:a:1', 'ac3', '-metadata:s:a:0', 'language=eng', ...time],
      ...[...FRAGMENTED, sources.avc],
    ),
    ffmpeg(
      ...[...PICTURE, ...tones.slice(4), '-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', x265],
      ...['-pix_fmt', 'yuv420p10le', '-tag:v', 'hvc1', '-c:a', 'eac3', ...time, ...FRAGMENTED, sources.hevc],
    ),
    ffmpeg(
      ...[...PICTURE, ...tones.slice(4), '-c:v', 'libx264', ...GOP, '-pix_fmt', 'yuv420p', '-c:a', 'libopus'],
      ...['-t', '2', ...FRAGMENTED, sources.odd],
    ),
  ])
}
