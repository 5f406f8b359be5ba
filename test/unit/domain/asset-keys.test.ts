import { describe, expect, it } from 'vitest'
import { assertAssetKeys, assetKeysSchema } from '../../../src/domain/asset-keys.ts'
import { deliveriesOf, predefinedPolicies } from '../../../src/domain/delivery-policy.ts'
import { keyForTrack } from '../../../src/domain/track-keys.ts'

const [a, b, c] = ['a', 'b', 'c'].map((digit) => `${digit.repeat(8)}-5a4e-4f60-8b1a-0c9d8e7f6a5b`)

describe('the key of a track', () => {
  const keys = assetKeysSchema.parse([
    { contentKeyId: a, tracks: ['video-uhd', 'video-hd'] },
    { contentKeyId: b, tracks: ['video', 'audio'] },
    { contentKeyId: c },
  ])

  it.each([
    [{ kind: 'video', height: 2_160 }, a],
    [{ kind: 'video', height: 1_080 }, a],
    [{ kind: 'video', height: 576 }, b],
    [{ kind: 'video' }, b],
    [{ kind: 'audio' }, b],
    [{ kind: 'text' }, undefined],
  ])('of %j is the closest', (track, key) => expect(keyForTrack(keys, track)).toBe(key))

  it('is the one without tracks where no other is for it', () => {
    expect(keyForTrack(keys.slice(1, 1).concat(keys.slice(2)), { kind: 'audio' })).toBe(c)
    expect(keyForTrack(keys.slice(0, 1), { kind: 'audio' })).toBeUndefined()
    expect(keyForTrack([], { kind: 'video' })).toBeUndefined()
  })

  it('may be another in each kind of keys', () => {
    const both = assetKeysSchema.parse([{ contentKeyId: a }, { contentKeyId: b }])
    expect(() => assertAssetKeys(both, [{ kind: 'cenc' }, { kind: 'cbcs' }])).not.toThrow()
    expect(() => assertAssetKeys(both, [{ kind: 'cbcs' }, { kind: 'cbcs' }])).toThrow()
    expect(() => assertAssetKeys(both, [{ kind: 'cbcs' }, { kind: 'storage' }])).toThrow()
  })
})

describe('predefined policies', () => {
  it.each([
    ['Predefined_ClearStreamingOnly', ['clear'], ['clear'], ['clear'], []],
    ['Predefined_DownloadOnly', [], [], [], ['clear']],
    ['Predefined_DownloadAndClearStreaming', ['clear'], ['clear'], ['clear'], ['clear']],
    ['Predefined_ClearKey', ['envelope'], ['envelope'], ['envelope'], []],
    ['Predefined_MultiDrmCencStreaming', [], ['cenc'], ['cenc'], []],
    ['Predefined_MultiDrmStreaming', ['cbcs'], ['cenc'], ['cenc'], []],
  ] as const)('%s is what it was', (name, hls, dash, smooth, progressive) => {
    const protocols = predefinedPolicies[name]
    const of = (protocol: 'hls' | 'dash' | 'smooth' | 'progressive') => deliveriesOf({ protocols }, protocol)
    expect([of('hls'), of('dash'), of('smooth'), of('progressive')]).toEqual([hls, dash, smooth, progressive])
  })
})
