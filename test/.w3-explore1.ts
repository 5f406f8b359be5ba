import { encode, picture, tone, videoEncoders } from '/work/main/test/support/flv-encoded.ts'
import { enhancedMessages, interleave, legacyMessages } from '/work/main/test/support/flv-publish.ts'
import { startChannels, publishMessages } from '/work/main/test/support/channels.ts'
import { readServed, servedSeconds, download, probe, writeStretch, mp4boxReading, shakaComplaints, readMpd, ffmpegReads } from '/work/main/test/support/served.ts'
const S=4
const g=['-g','25','-keyint_min','25']
const t0=performance.now()
const enc = {
  hevc: encode([...picture('160x90','25',S), '-c:v','libx265','-preset','ultrafast','-tag:v','hvc1','-x265-params','log-level=none:pools=none:bframes=2:keyint=25:min-keyint=25:scenecut=0:open-gop=0']).tracks[0]!,
  av1: encode([...picture('160x90','25',S), ...videoEncoders.av1, '-g','25']).tracks[0]!,
  vp9: encode([...picture('160x90','25',S), ...videoEncoders.vp9, '-g','25']).tracks[0]!,
  opus: encode([...tone(48000,2,S),'-c:a','libopus']).tracks[0]!,
  flac: encode([...tone(48000,2,S),'-c:a','flac']).tracks[0]!,
  ac3: encode([...tone(48000,2,S),'-c:a','ac3']).tracks[0]!,
  eac3: encode([...tone(48000,6,S),'-c:a','eac3']).tracks[0]!,
  aac: encode([...tone(44100,2,S),'-c:a','aac']).tracks[0]!,
  mp3: encode([...tone(44100,2,S),'-c:a','libmp3lame']).tracks[0]!,
}
console.log('encoded', performance.now()-t0)
for (const [k,t] of Object.entries(enc)) console.log(k,t.entry,t.samples.length,t.timescale,t.record.byteLength, t.samples.slice(0,4).map(s=>[s.dtsMs,s.compositionMs,s.sync]))
const pairs=[['hevc','opus'],['av1','flac'],['vp9','ac3'],['hevc','eac3'],['av1','aac'],['vp9','mp3']] as const
const house=await startChannels(Object.fromEntries(pairs.map(([v,a])=>[`${v}-${a}`,{channel:{segmentDuration:'1s',keyFrameInterval:'1s'}}])))
const fourCc={hevc:'hvc1',aac:'mp4a',mp3:'.mp3'} as any
for (const [v,a] of pairs) {
  const name=`${v}-${a}`; const at=house.at(name)
  try {
  const t=performance.now()
  await publishMessages(house.headend, at.key, interleave(enhancedMessages(enc[v]), enhancedMessages(enc[a], a==='mp3'?{fourCc:'.mp3'}:{})))
  console.log(name,'published',performance.now()-t)
  const served=await servedSeconds(at.hlsUrl,{video:S,audio:S-0.1})
  console.log(served.masterText)
  if (name==='hevc-opus') for (const r of served.renditions) console.log(r.text)
  for (const r of served.renditions) {
    const st=await download(r)
    console.log(r.kind, st.length)
    for (const [i,s] of st.entries()) {
      const f=writeStretch(`/tmp/w3/${name}-${r.kind}-${i}.mp4`, s)
      const p=await probe(f)
      console.log(p.codec,p.size,p.frames,p.packets.length, JSON.stringify(p.complaints), p.packets.slice(0,5).map(x=>[x.ptsSeconds,x.dtsSeconds,x.key]))
      console.log(mp4boxReading(s), JSON.stringify(shakaComplaints(f,r.kind)))
    }
  }
  const mpd=await readMpd(at.dashUrl)
  if (name==='hevc-opus') console.log(mpd.text)
  console.log(await ffmpegReads(at.dashUrl,S-0.5), performance.now()-t)
  console.log(await ffmpegReads(at.hlsUrl,S-0.5), performance.now()-t)
  } catch(e) { console.log(name, e, house.headend.output().slice(-2000)) }
}
console.log(house.headend.output().split('\n').slice(-30).join('\n'))
await house.headend.stop()
