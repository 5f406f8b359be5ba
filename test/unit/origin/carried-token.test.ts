import type { IncomingMessage } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Answer } from '../../../src/origin/answer.ts'
import { tokenOf, withCarriedToken } from '../../../src/origin/carried-token.ts'

const asking = (accepted?: string) =>
  ({ headers: accepted === undefined ? {} : { 'accept-encoding': accepted } }) as IncomingMessage

function answerOf(text: string, status = 200): Answer {
  const body = Buffer.from(text)
  const headers = ['Content-Type', 'application/vnd.apple.mpegurl', 'Cache-Control', 'public, max-age=1', 'ETag', '"x"']
  return { status, headers, chunks: status === 200 ? [body] : [], sizeBytes: body.byteLength }
}

async function carried(text: string, token = 'a.b-c', keysUrl = '/keys/'): Promise<string> {
  const { chunks } = await withCarriedToken(asking(), answerOf(text), token, keysUrl)
  return Buffer.concat(chunks).toString()
}

const master = [
  '#EXTM3U',
  '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="/keys/aes128/1",IV=0x01',
  '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="../c/d/a/v4.m3u8"',
  '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="URI",INSTREAM-ID="CC1"',
  '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"',
  '../c/d/v/v4.m3u8?start=5',
  '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="../c/d/v/v4-iframes.m3u8"',
  '',
].join('\n')

describe('a token on the URL of a playlist', () => {
  it('is read of the query alone', () => {
    expect(tokenOf('/l/index.m3u8?_HLS_msn=1&token=a%2Bb')).toBe('a+b')
    expect(tokenOf('/l/token=1/index.m3u8')).toBeUndefined()
    expect(tokenOf('/l/index.m3u8?token=')).toBeUndefined()
    expect(tokenOf('/l/index.m3u8?mytoken=1')).toBeUndefined()
  })

  it('goes on from a master playlist to its playlists and keys', async () => {
    expect(await carried(master)).toBe(
      [
        '#EXTM3U',
        '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="/keys/aes128/1?token=a.b-c",IV=0x01',
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="../c/d/a/v4.m3u8?token=a.b-c"',
        '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="URI",INSTREAM-ID="CC1"',
        '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"',
        '../c/d/v/v4.m3u8?start=5&token=a.b-c',
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="../c/d/v/v4-iframes.m3u8?token=a.b-c"',
        '',
      ].join('\n'),
    )
  })

  it('stays out of lines whose quote is left open, and of those behind them', async () => {
    const open =
      '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="/keys/1\n#EXT-X-KEY:METHOD=AES-128,KEYFORMAT="x"\n#EXTINF:1,\n1.ts\n'
    expect(await carried(open)).toBe(open)
  })

  it('is told to nobody but the door to our keys', async () => {
    const key = (uri: string) => `#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI="${uri}",KEYFORMAT="x"\n#EXTINF:1,\n1.ts\n`
    for (const uri of ['skd://x', 'https://drm.example/keys/1', 'data:text/plain;base64,AAAA']) {
      expect(await carried(key(uri))).toBe(key(uri))
    }
    const door = 'https://keys.example/keys/'
    expect(await carried(key(`${door}aes128/1`), 't', door)).toBe(key(`${door}aes128/1?token=t`))
    expect(await carried(key('/keys/aes128/1'), 't', door)).toBe(key('/keys/aes128/1'))
    // What stands in a token can't end the attribute.
    expect(await carried(key('/keys/aes128/1'), 'a",X="\n')).toBe(key('/keys/aes128/1?token=a%22%2CX%3D%22%0A'))
  })

  it('leaves nothing for caches to keep, and no validator', async () => {
    for (const status of [200, 304]) {
      const { headers } = await withCarriedToken(asking(), answerOf(master, status), 't', '/keys/')
      expect(headers).toEqual(['Content-Type', 'application/vnd.apple.mpegurl', 'Cache-Control', 'private, no-store'])
    }
  })

  it('is compressed for who takes that', async () => {
    const long = master + '#EXT-X-KEY:METHOD=AES-128,URI="/keys/aes128/1"\n#EXTINF:1,\n1.ts\n'.repeat(50)
    const { headers, chunks, sizeBytes } = await withCarriedToken(asking('gzip'), answerOf(long), 't', '/keys/')
    expect(headers.slice(-2)).toEqual(['Content-Encoding', 'gzip'])
    expect(sizeBytes).toBe(Buffer.concat(chunks).byteLength)
    expect(gunzipSync(Buffer.concat(chunks)).toString()).toBe(await carried(long, 't'))
  })
})
