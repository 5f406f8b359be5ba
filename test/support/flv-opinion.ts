import { createFile, MP4BoxBuffer } from 'mp4box'

/** The RFC 6381 string that mp4box.js gives the first track of an MP4 file. */
export function mp4boxCodec(file: Uint8Array): string {
  const iso = createFile()
  let codec = ''
  iso.onReady = (info) => {
    codec = info.tracks[0]?.codec ?? ''
  }
  iso.appendBuffer(MP4BoxBuffer.fromArrayBuffer(new Uint8Array(file).buffer, 0))
  iso.flush()
  return codec
}
