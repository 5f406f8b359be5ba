import { connect, type Socket } from 'node:net'
import { obey } from './origin-orders.ts'
import type { ViewersClientOrder, ViewersClientReply } from './viewers-orders.ts'

/** Viewers that have read one manifest and now do nothing, each on a connection that it keeps. */

/** Opened at once: what the kernel keeps for a listener is bounded. */
const AT_ONCE = 100
const HEAD_END = '\r\n\r\n'

const open: Socket[] = []
let left = 0

/** Resolves when the answer is there, whole. */
function watch(port: number, path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1')
    socket.once('error', reject)
    socket.on('close', () => left++)
    socket.once('connect', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n`))
    socket.on('data', (chunk) => {
      text += chunk
      const end = text.indexOf(HEAD_END)
      if (end < 0) return
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1])
      if (!text.startsWith('HTTP/1.1 200')) reject(new Error(text))
      if (text.length < end + HEAD_END.length + length) return
      text = ''
      resolve(socket)
    })
  })
}

async function openAll({ port, path, connections }: ViewersClientOrder): Promise<ViewersClientReply> {
  for (let opened = 0; opened < connections; opened += AT_ONCE) {
    const count = Math.min(AT_ONCE, connections - opened)
    open.push(...(await Promise.all(Array.from({ length: count }, () => watch(port, path)))))
  }
  return { kind: 'opened', open: open.length - left }
}

obey<ViewersClientOrder, ViewersClientReply>(openAll, (message) => ({ kind: 'failed', message }))
