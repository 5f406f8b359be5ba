import { describe, expect, it } from 'vitest'
import { localHost, nodeAddresses, watchUrls } from '../../../src/roles/addresses.ts'

const ports = { control: 8080, streaming: 8088, rtmp: 1935, rtmps: undefined }

describe('nodeAddresses', () => {
  it('leaves out the port that RTMP has by itself, and rtmps where there is none', () => {
    expect(nodeAddresses('live.example', ports, false)).toEqual({
      controlUrl: 'http://live.example:8080',
      streamingUrl: 'http://live.example:8088',
      rtmpUrl: 'rtmp://live.example/live',
      rtmpsUrl: undefined,
    })
  })

  it('speaks https and rtmps where there is a certificate', () => {
    const addresses = nodeAddresses('live.example', { ...ports, rtmp: 1936, rtmps: 2935 }, true)
    expect(addresses).toEqual({
      controlUrl: 'https://live.example:8080',
      streamingUrl: 'https://live.example:8088',
      rtmpUrl: 'rtmp://live.example:1936/live',
      rtmpsUrl: 'rtmps://live.example:2935/live',
    })
  })

  it('puts an IPv6 address in brackets', () => {
    const addresses = nodeAddresses('2001:db8::1', ports, false)
    expect(addresses.streamingUrl).toBe('http://[2001:db8::1]:8088')
    expect(new URL(addresses.streamingUrl).port).toBe('8088')
  })
})

describe('watchUrls', () => {
  it('opens the player on both URLs', () => {
    const { hlsUrl, dashUrl, playerUrl } = watchUrls(nodeAddresses('h', ports, false), 'loc-1')
    expect([hlsUrl, dashUrl]).toEqual(['http://h:8088/loc-1/index.m3u8', 'http://h:8088/loc-1/index.mpd'])
    const player = new URL(playerUrl)
    expect(player.origin + player.pathname).toBe('http://h:8080/player/')
    expect(player.searchParams.get('hls')).toBe(hlsUrl)
    expect(player.searchParams.get('dash')).toBe(dashUrl)
  })
})

describe('localHost', () => {
  it.each([
    ['0.0.0.0', '127.0.0.1'],
    ['::', '127.0.0.1'],
    ['192.0.2.7', '192.0.2.7'],
    ['::1', '[::1]'],
    ['live.example', 'live.example'],
  ])('reaches a listener on %s at %s', (host, there) => {
    expect(localHost(host)).toBe(there)
  })
})
