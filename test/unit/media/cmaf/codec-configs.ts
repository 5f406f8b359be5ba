import type { AudioConfig, CodecConfig, VideoConfig } from '../../../../src/media/media.ts'

/** Configurations as ffmpeg 5.1 wrote their records for 128x96 at 25 fps and for 48 kHz. */

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'))
}

const picture = { kind: 'video', width: 128, height: 96 } as const
const sound = { kind: 'audio', sampleRate: 48_000, channels: 2 } as const

export const avc: VideoConfig = {
  ...picture,
  codec: 'avc',
  record: hex('0164000affe100186764000aacd9420db011000003000100000300320f12259601000668eae3cb22c0fdf8f800'),
  codecString: 'avc1.64000a',
  frameRate: 25,
}

const hevc: VideoConfig = {
  ...picture,
  codec: 'hevc',
  record: hex(
    '0101600000009000000000001ef000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003001e9594092100' +
      '01002942010101600000030090000003000003001ea01020616595952930bc05a0200000030020000003032122000100064401c073c189',
  ),
  codecString: 'hvc1.1.6.L30.90',
  frameRate: 25,
}

export const av1: VideoConfig = {
  ...picture,
  codec: 'av1',
  record: hex('81000c000a0a0000000337fbe6d7c802'),
  codecString: 'av01.0.00M.08',
}

const vp9: VideoConfig = {
  ...picture,
  codec: 'vp9',
  record: hex('01000000000a820202020000'),
  codecString: 'vp09.00.10.08',
}

export const aac: AudioConfig = {
  ...sound,
  codec: 'aac',
  record: hex('119056e500'),
  samplesPerFrame: 1024,
  codecString: 'mp4a.40.2',
}

export const mp3: AudioConfig = {
  ...sound,
  codec: 'mp3',
  record: hex(''),
  samplesPerFrame: 1152,
  codecString: 'mp4a.6B',
}

const opus: AudioConfig = {
  ...sound,
  codec: 'opus',
  record: hex('000201380000bb80000000'),
  samplesPerFrame: 0,
  codecString: 'opus',
}

export const flac: AudioConfig = {
  ...sound,
  codec: 'flac',
  record: hex('000000008000002212001200000000004a580bb802f00000000000000000000000000000000000000000'),
  samplesPerFrame: 4608,
  codecString: 'fLaC',
}

const ac3: AudioConfig = {
  ...sound,
  channels: 6,
  codec: 'ac3',
  record: hex('103de0'),
  samplesPerFrame: 1536,
  codecString: 'ac-3',
}

const eac3: AudioConfig = { ...ac3, codec: 'eac3', record: hex('0e00200f00'), codecString: 'ec-3' }

export const everyCodec: readonly CodecConfig[] = [avc, hevc, av1, vp9, aac, mp3, opus, flac, ac3, eac3]
