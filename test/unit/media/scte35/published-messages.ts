import type { SegmentationDescriptor } from '../../../../src/media/scte35/segmentation.ts'
import type { SpliceDescriptor } from '../../../../src/media/scte35/splice-descriptor.ts'
import { plainSplice, type SpliceInfo } from '../../../../src/media/scte35/splice-info.ts'

const base64 = (text: string) => Uint8Array.from(Buffer.from(text, 'base64'))
export const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))

const web = { webDeliveryAllowed: true, noRegionalBlackout: true, archiveAllowed: true, deviceRestrictions: 3 }
const airing = (idHex: string) => ({ type: 8, value: hex(idHex) })
const segment = (eventId: number, typeId: number, idHex: string, segmentNum = 0): SegmentationDescriptor => ({
  type: 'segmentation',
  eventId,
  eventIdCompliance: true,
  isCancelled: false,
  restrictions: web,
  upid: airing(idHex),
  typeId,
  segmentNum,
  segmentsExpected: 0,
})
const signal = (ptsTime: number, ...descriptors: SpliceDescriptor[]): SpliceInfo => ({
  ...plainSplice,
  command: { type: 'time-signal', ptsTime },
  descriptors,
})

/** The messages of ANSI/SCTE 35 §14, and others that were published with what they say. */
export const published: readonly (readonly [string, Uint8Array, SpliceInfo])[] = [
  [
    '14.1 placement opportunity start',
    base64('/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg=='),
    signal(0x0_72bd_0050, {
      ...segment(0x4800_008e, 0x34, '000000002ca0a18a', 2),
      isCancelled: false,
      durationTicks: 0x01a5_99b0,
      restrictions: { ...web, webDeliveryAllowed: false },
    } as SegmentationDescriptor),
  ],
  [
    '14.2 splice_insert',
    base64('/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo='),
    {
      ...plainSplice,
      command: {
        type: 'splice-insert',
        eventId: 0x4800_008f,
        isCancelled: false,
        isOut: true,
        eventIdCompliance: true,
        time: 0x0_7369_c02e,
        breakDuration: { autoReturn: true, ticks: 0x0_0052_ccf5 },
        uniqueProgramId: 0,
        availNum: 0,
        availsExpected: 0,
      },
      descriptors: [{ type: 'avail', providerAvailId: 0x135 }],
    },
  ],
  [
    '14.3 placement opportunity end',
    base64('/DAvAAAAAAAA///wBQb+dGKQoAAZAhdDVUVJSAAAjn+fCAgAAAAALKChijUCAKnMZ1g='),
    signal(0x0_7462_90a0, segment(0x4800_008e, 0x35, '000000002ca0a18a', 2)),
  ],
  [
    '14.4 program end and start',
    base64('/DBIAAAAAAAA///wBQb+ek2ItgAyAhdDVUVJSAAAGH+fCAgAAAAALMvDRBEAAAIXQ1VFSUgAABl/nwgIAAAAACyk26AQAACZcuND'),
    signal(
      0x0_7a4d_88b6,
      segment(0x4800_0018, 0x11, '000000002ccbc344'),
      segment(0x4800_0019, 0x10, '000000002ca4dba0'),
    ),
  ],
  [
    '14.5 program overlap start',
    hex('FC302F000000000000FFFFF00506FEAEBFFF640019021743554549480000087F9F0808000000002CA56CF5170000951DB0A8'),
    signal(2_931_818_340, segment(0x4800_0008, 0x17, '000000002ca56cf5')),
  ],
  [
    '14.6 program blackout override, program end',
    hex(
      'FC3048000000000000FFFFF00506FE932E380B00320217435545494800000A7F9F0808000000002CA0A1E3180000021743554549480000097F9F0808000000002CA0A18A110000B4217EB0',
    ),
    signal(
      2_469_279_755,
      segment(0x4800_000a, 0x18, '000000002ca0a1e3'),
      segment(0x4800_0009, 0x11, '000000002ca0a18a'),
    ),
  ],
  [
    '14.7 program end',
    hex('FC302F000000000000FFFFF00506FEAEF17C4C0019021743554549480000077F9F0808000000002CA56C97110000C4876A2E'),
    signal(2_935_061_580, segment(0x4800_0007, 0x11, '000000002ca56c97')),
  ],
  [
    '14.8 placement opportunity end, program end and start',
    base64(
      '/DBhAAAAAAAA///wBQb+qM1E7QBLAhdDVUVJSAAArX+fCAgAAAAALLLXnTUCAAIXQ1VFSUgAACZ/nwgIAAAAACyy150RAAACF0NVRUlIAAAnf58ICAAAAAAsstezEAAAihiGnw==',
    ),
    signal(
      2_832_024_813,
      segment(0x4800_00ad, 0x35, '000000002cb2d79d', 2),
      segment(0x4800_0026, 0x11, '000000002cb2d79d'),
      segment(0x4800_0027, 0x10, '000000002cb2d7b3'),
    ),
  ],
  [
    'an encoder’s, with tier and cw_index 0',
    base64('/DA0AAAAAAAAAAAABQb+ADAQ6QAeAhxDVUVJQAAAO3/PAAEUrEoICAAAAAAg+2UBNAAANvrtoQ=='),
    {
      ...signal(3_150_057, {
        ...segment(1_073_741_883, 0x34, '0000000020fb6501'),
        durationTicks: 18_132_042,
        restrictions: { ...web, webDeliveryAllowed: false },
      } as SegmentationDescriptor),
      tier: 0,
      cwIndex: 0,
    },
  ],
  [
    'chapter end, advertisement start and DTMF',
    base64(
      '/DBcAAAAAAAAAP/wBQb//ciI8QBGAh1DVUVJXQk9EX+fAQ5FUDAxODAzODQwMDY2NiEEZAIZQ1VFSV0JPRF/3wABLit7AQVDMTQ2NDABAQEKQ1VFSQCAMTUwKnPhdcU=',
    ),
    {
      ...signal(
        8_552_745_201,
        {
          ...segment(1_560_886_545, 0x21, '', 4),
          segmentsExpected: 100,
          restrictions: web,
          upid: { type: 1, value: Uint8Array.from(Buffer.from('EP018038400666')) },
        } as SegmentationDescriptor,
        {
          ...segment(1_560_886_545, 0x30, '', 1),
          segmentsExpected: 1,
          durationTicks: 19_803_003,
          upid: { type: 1, value: Uint8Array.from(Buffer.from('C1464')) },
        } as SegmentationDescriptor,
        { type: 'dtmf', preroll: 0, characters: '150*' },
      ),
      cwIndex: 0,
    },
  ],
]
