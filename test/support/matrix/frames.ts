import { run } from '../ffmpeg.ts'

/** A decoded picture, or a coded frame of sound: when it is, in seconds, and what it is. */
export type Frame = { readonly time: number; readonly sum: string }

/** What a source has: pictures and key frames by their size, sound by its language. */
export type Truth = {
  readonly video: ReadonlyMap<string, readonly Frame[]>
  readonly keyFrames: ReadonlyMap<string, readonly Frame[]>
  readonly audio: ReadonlyMap<string, readonly Frame[]>
}

/** A stream to be read. */
export type FrameRequest = {
  /** One file, or the pieces that it comes in, each of which is read by itself. */
  readonly files: readonly string[]
  readonly kind: 'video' | 'audio'
  /** Which of its kind in the file. */
  readonly index?: number
  /** Pictures that need no other. */
  readonly keyFramesOnly?: boolean
  /** Key frames apart from what else they stand with. */
  readonly isPieces?: boolean
  /** Sound with the header that it has in a transport stream, which is taken off. */
  readonly isAdts?: boolean
}

export type FrameReadings = {
  /** In the order of the requests. */
  readonly streams: readonly (readonly Frame[])[]
  /** What ffmpeg complained of, in any of them. */
  readonly complaints: string
}

/** What ffmpeg says of joined packed audio, which knows no duration. */
const USUAL = /^\s*$|Estimating duration from bitrate/
/** And of one key frame of a fragment, whose `moof` tells of more than is there. */
const OF_PIECES = /partial file|moov atom not found/

/** Has one ffmpeg decode all pictures, and copy all coded sound, of these streams. */
export async function readFrames(requests: readonly FrameRequest[]): Promise<FrameReadings> {
  const inputs: string[] = []
  const maps: string[] = []
  /** The request that each stream of the output is of. */
  const owners: number[] = []
  for (const [at, { files, kind, index = 0, keyFramesOnly = false, isAdts = false }] of requests.entries()) {
    for (const file of files) {
      inputs.push('-threads', '1', ...(keyFramesOnly ? ['-skip_frame', 'nokey'] : []), '-i', file)
      const stream = owners.push(at) - 1
      maps.push('-map', `${stream}:${kind[0]}:${index}`)
      if (kind === 'video') maps.push(`-c:${stream}`, 'rawvideo', `-enc_time_base:${stream}`, '1:90000')
      else maps.push(`-c:${stream}`, 'copy', ...(isAdts ? [`-bsf:${stream}`, 'aac_adtstoasc'] : []))
    }
  }
  const exact = ['-fps_mode', 'passthrough', '-max_muxing_queue_size', '99999', '-f', 'framemd5', '-']
  const { code, stdout, stderr } = await run('ffmpeg', [
    '-v',
    'warning',
    '-nostdin',
    '-copyts',
    ...inputs,
    ...maps,
    ...exact,
  ])
  const pieces = requests.every(({ isPieces }) => isPieces)
  const lines = stderr.split('\n').filter((line) => !USUAL.test(line) && !(pieces && OF_PIECES.test(line)))
  const complaints = [...(code === 0 ? [] : [`exit code ${code}`]), ...lines].join('; ')
  return { streams: framesOf(stdout, owners, requests.length), complaints }
}

function framesOf(text: string, owners: readonly number[], count: number): readonly (readonly Frame[])[] {
  const ticks = new Map(
    [...text.matchAll(/^#tb (\d+): (\d+)\/(\d+)/gm)].map(([, at, n, d]) => [Number(at), Number(n) / Number(d)]),
  )
  const found: Frame[][] = owners.map(() => [])
  for (const line of text.split('\n')) {
    if (!/^\d/.test(line)) continue
    const fields = line.split(',').map((field) => field.trim())
    const stream = Number(fields[0])
    found[stream]?.push({ time: Number(fields[2]) * (ticks.get(stream) ?? 0), sum: fields[5] ?? '' })
  }
  return Array.from({ length: count }, (_, at) => found.filter((_frames, stream) => owners[stream] === at).flat())
}
