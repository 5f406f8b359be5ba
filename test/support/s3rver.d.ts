declare module 's3rver' {
  import type { AddressInfo } from 'node:net'

  /** The part of it that tests use. */
  class S3rver {
    constructor(options: Readonly<Record<string, unknown>>)
    run(): Promise<AddressInfo>
    close(): Promise<void>
  }
  export = S3rver
}
