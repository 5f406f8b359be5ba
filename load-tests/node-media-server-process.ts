import type { AddressInfo } from 'node:net'
import NodeMediaServer from 'node-media-server'
import type { PeerOrder, PeerReply } from './node-media-server.ts'

/** node-media-server with nothing but its RTMP listener, in a process of its own. */

/** Sessions that were accepted as publishers. */
const published: { readonly inBytes: number }[] = []
const reply = (message: PeerReply) => process.send?.(message)

function start(storePath: string): void {
  const server = new NodeMediaServer({
    bind: '127.0.0.1',
    // As text, because it takes the number 0 for "no listener".
    rtmp: { port: '0' },
    webadmin: { enable: false },
    record: { auto: false },
    store: { path: storePath },
  })
  server.on('postPublish', (session) => published.push(session))
  const { tcpServer } = server.rtmpServer
  tcpServer.once('listening', () => reply({ kind: 'listening', port: (tcpServer.address() as AddressInfo).port }))
  server.run().catch((error: unknown) => reply({ kind: 'failed', message: String(error) }))
}

process.once('disconnect', () => process.exit(0))
process.on('message', (order: PeerOrder) => {
  if (order.kind === 'start') start(order.storePath)
  else reply({ kind: 'received', bytes: published.map(({ inBytes }) => inBytes) })
})
