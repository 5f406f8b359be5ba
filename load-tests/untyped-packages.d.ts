/** What the load test uses of a package that brings no types. */
declare module 'node-media-server' {
  import type { Server } from 'node:net'

  class NodeMediaServer {
    constructor(config: {
      readonly bind: string
      readonly rtmp: { readonly port: string }
      readonly webadmin: { readonly enable: boolean }
      readonly record: { readonly auto: boolean }
      readonly store: { readonly path: string }
    })
    readonly rtmpServer: { readonly tcpServer: Server }
    on(event: 'postPublish', listener: (session: { readonly inBytes: number }) => void): void
    run(): Promise<void>
  }
  export = NodeMediaServer
}
