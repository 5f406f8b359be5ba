import type { IncomingMessage } from 'node:http'
import type { Http2Session } from 'node:http2'
import type { Server, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** The open connections of a server, so that it can stop in good order. */
export type Connections = {
  /** A request is being answered on its connection; the result says that it is over. */
  requestBegins(request: IncomingMessage): () => void
  /** Ends each connection with its next answer: who is just asking is answered. HTTP/2 sessions are told to go away. */
  endAfterAnswer(): void
  /** Ends each connection as soon as nothing is answered on it; HTTP/2 sessions are told to go away. */
  drain(): void
  /** Ends everything now. */
  cut(): void
}

/**
 * What tells one client's connection from another's: of HTTP/2 the session, because there each request has a socket object of its own, which
 * stands for its stream.
 */
export function connectionOf(request: IncomingMessage): object {
  const { stream } = request as { stream?: { readonly session?: Http2Session | undefined } }
  return stream?.session ?? request.socket
}

/** `isSecure`: what HTTP sees of a connection begins when TLS is agreed on. */
export function trackConnections(server: Server, isSecure: boolean): Connections {
  const sockets = new Set<Socket>()
  /** The sockets that speak HTTP/1, with the number of requests that are being answered on each. */
  const running = new Map<Socket, number>()
  const sessions = new Set<Http2Session>()
  let isDraining = false
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket | TLSSocket) => {
    if ('alpnProtocol' in socket && socket.alpnProtocol === 'h2') return
    running.set(socket, 0)
    socket.once('close', () => running.delete(socket))
  })
  server.on('session', (session: Http2Session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    // Node has ended the session when it says what its peer broke.
    session.on('error', () => undefined)
    if (isDraining) session.close()
  })
  return {
    requestBegins({ socket, httpVersionMajor }) {
      if (httpVersionMajor !== 1) return () => undefined
      running.set(socket, (running.get(socket) ?? 0) + 1)
      return () => {
        const left = (running.get(socket) ?? 1) - 1
        if (!socket.destroyed) running.set(socket, left)
        if (isDraining && left === 0) socket.destroySoon()
      }
    },
    endAfterAnswer() {
      isDraining = true
      for (const session of sessions) session.close()
    },
    drain() {
      isDraining = true
      for (const session of sessions) session.close()
      for (const [socket, requests] of running) if (requests === 0) socket.destroySoon()
    },
    cut() {
      for (const session of sessions) session.destroy()
      for (const socket of sockets) socket.destroy()
    },
  }
}
