import { describe, expect, it } from 'vitest'
import { type DeliveryTerms, nothingDelivered } from '../../../src/domain/delivery-terms.ts'
import { Deliveries, type SampleDelivery } from '../../../src/origin/deliveries.ts'
import { trackKeyRef } from '../../../src/origin/delivery-keys.ts'
import { deliveryOf } from '../../../src/origin/delivery-of-target.ts'
import { type PublishedTarget, parseTarget } from '../../../src/origin/target.ts'

const header = { id: 'as_1.files', epoch: 'e1', targetDurationMs: 2_000 }
const CENC = '01234567-89ab-4def-8123-456789abcdef'
const TURNING = '21234567-89ab-8def-8123-000000000000'
const video = { config: { kind: 'video', height: 720 } } as never

function terms(protocols: Partial<DeliveryTerms['protocols']>, more: Partial<DeliveryTerms> = {}): DeliveryTerms {
  return { ...nothingDelivered, policy: 'dp_1', protocols: { ...nothingDelivered.protocols, ...protocols }, ...more }
}

function key(contentKeyId: string, rotating = false) {
  const kind = rotating ? ('cbcs' as const) : ('cenc' as const)
  return { contentKeyId, kind, rotating, created: '2026-01-01T00:00:00Z', had: ['clearkey'] as const }
}

/** The status-giving code of what a child of the clear delivery is answered with; `ok`: it is delivered. */
function asked(deliveries: Deliveries, child: string): string {
  const digest = deliveries.all[0]?.digest
  try {
    deliveryOf(deliveries, parseTarget(`/l/c/${digest}/${child}`) as PublishedTarget)
    return 'ok'
  } catch (error) {
    return (error as { code: string }).code
  }
}

const CHILDREN = {
  playlist: 'video-1.m3u8',
  'key frames': 'video-1-iframes.m3u8',
  init: 'video-1/1.init.mp4',
  segment: 'video-1/0.m4s',
  'key frame': 'video-1/0.key.m4s',
  part: 'video-1/1.7.m4s',
  numbered: 'video-1/1.d0.7.m4s',
  'transport playlist': 'video-1+audio-1/v4.m3u8',
  'transport segment': 'video-1/0.ts',
  'text playlist': 'text.aaaaaaaaaaaa.m3u8',
  'text segment': 'text.aaaaaaaaaaaa/0.vtt',
  'text init': 'text.aaaaaaaaaaaa/init.stpp.mp4',
  'text fragment': 'text.aaaaaaaaaaaa/0.stpp.m4s',
  'whole text': 'text.aaaaaaaaaaaa/0-90000.vtt',
}

describe('a policy that allows something else in the clear than streaming', () => {
  it.each([
    ['downloads', { progressive: ['clear'] }],
    ['Smooth Streaming', { smooth: ['clear'] }],
  ] as const)('has none of its media delivered: %s', (_what, protocols) => {
    const deliveries = new Deliveries(header, terms(protocols))
    for (const [what, child] of Object.entries(CHILDREN)) {
      expect(asked(deliveries, child), what).toBe('DELIVERY_BLOCKED')
    }
    expect(asked(deliveries, 'thumbnails/0.jpg')).toBe('ok')
    expect(asked(deliveries, 'thumbnails.vtt')).toBe('ok')
  })

  it('delivers to each protocol what is its own, and to both what they share', () => {
    const to = (protocols: Partial<DeliveryTerms['protocols']>) => {
      const deliveries = new Deliveries(header, terms(protocols))
      return Object.entries(CHILDREN).flatMap(([what, child]) => (asked(deliveries, child) === 'ok' ? [what] : []))
    }
    const shared = ['init', 'segment', 'key frame', 'part', 'text segment', 'text init', 'text fragment', 'whole text']
    expect(new Set(to({ dash: ['clear'] }))).toEqual(new Set([...shared, 'numbered']))
    expect(to({ hls: ['clear'] })).toEqual(Object.keys(CHILDREN).filter((what) => what !== 'numbered'))
    const all = new Deliveries(header, undefined)
    expect(Object.values(CHILDREN).map((child) => asked(all, child))).not.toContain('DELIVERY_BLOCKED')
  })
})

describe('what IVs are counted from', () => {
  const delivered = (of: { id: string; epoch: string }) => {
    const [found] = new Deliveries({ ...header, ...of }, terms({ dash: ['cenc'] }, { keys: [key(CENC)] })).all
    return found as SampleDelivery
  }

  it('is another one for other files under the same key, another asset and another recording', () => {
    const bases = [
      delivered(header),
      delivered({ ...header, id: 'as_1.other' }),
      delivered({ ...header, id: 'as_2.files' }),
      delivered({ ...header, epoch: 'e2' }),
    ].map(({ ivBase }) => ivBase.join())
    expect(new Set(bases).size).toBe(4)
    expect(delivered(header)).toEqual(delivered({ ...header }))
  })
})

describe('media with samples that are decoded at the same time', () => {
  const shared = { ...header, hasEqualDecodeTimes: true }
  const allowed = terms(
    { dash: ['cenc', 'clear'], smooth: ['cenc'], hls: ['cbcs'] },
    { keys: [key(CENC), { ...key(CENC), kind: 'cbcs' as const }] },
  )
  const refused = expect.objectContaining({ code: 'MEDIA_UNSUPPORTED', message: expect.stringContaining('cenc') })

  it('has no manifest and no media in cenc, where they would be encrypted alike', () => {
    const deliveries = new Deliveries(shared, allowed)
    const cenc = deliveries.all.find(({ protection }) => protection === 'cenc')
    expect(() => deliveries.choose('dash', 'cenc')).toThrow(refused)
    expect(() => deliveries.choose('smooth', undefined)).toThrow(refused)
    // Not in the clear either, which is not what the policy lists first.
    expect(() => deliveries.choose('dash', undefined, true)).toThrow(refused)
    expect(() => deliveries.ofDigest(cenc?.digest ?? '', ['dash'])).toThrow(refused)
  })

  it('is delivered in everything else, and in cenc where every sample has a time of its own', () => {
    const deliveries = new Deliveries(shared, allowed)
    expect(deliveries.choose('hls', undefined).protection).toBe('cbcs')
    expect(deliveries.choose('dash', 'clear').protection).toBe('clear')
    expect(new Deliveries(header, allowed).choose('smooth', undefined).protection).toBe('cenc')
  })
})

describe('a key that rotates', () => {
  const delivery = (more: Partial<DeliveryTerms>) =>
    new Deliveries(header, terms({ hls: ['cbcs'] }, { keys: [key(TURNING, true)], ...more })).all[0] as SampleDelivery

  it('is none where the policy says no period: its value would give those of all periods away', () => {
    const refused = { code: 'DELIVERY_BLOCKED', message: expect.stringContaining('keyRotationPeriod') }
    expect(() => trackKeyRef(delivery({}), video, 1_760_000_000 * 90_000)).toThrow(expect.objectContaining(refused))
  })

  it('has none for the first period of the timeline, on which files stand, and one for each that follows', () => {
    const turning = delivery({ rotationPeriodMs: 10_000 })
    for (const ticks of [0, 90_000, 10 * 90_000 - 46]) {
      const refused = { code: 'DELIVERY_BLOCKED', message: expect.stringContaining('does not rotate') }
      expect(() => trackKeyRef(turning, video, ticks)).toThrow(expect.objectContaining(refused))
    }
    const at = (seconds: number) => trackKeyRef(turning, video, seconds * 90_000)
    expect(at(10)).toMatchObject({ periodMs: 10_000, kid: '21234567-89ab-8def-8123-000000002710' })
    expect(at(1_760_000_009).kid).toBe(at(1_760_000_000).kid)
    expect(at(1_760_000_010).kid).not.toBe(at(1_760_000_000).kid)
  })
})
