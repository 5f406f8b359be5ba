/**
 * One named condition, as `/readyz` shows it. `detail` is a sentence for a person. Without one that is not `required` the node is
 * ready all the same.
 */
export type HealthCheck = {
  readonly name: string
  readonly ok: boolean
  readonly detail?: string
  readonly required?: boolean
}

/** What the control listener asks when somebody wants to know whether Headend is ready: one check for each part it needs. */
export type HealthSource = { checks(): Promise<readonly HealthCheck[]> }

/** What stands behind `/metrics`. */
export type MetricsSource = {
  /** The media type of `text`. */
  readonly contentType: string
  text(): Promise<string>
}

/**
 * Where a manifest is: a whole URL where the operator has named the host, or just a port and a path. Then the host is the one
 * by which the asker reached the control listener, which is right from another machine too.
 */
export type StreamAddress = string | { readonly secure: boolean; readonly port: number; readonly path: string }

/** What there is to watch. */
export type WatchTarget = {
  readonly title: string
  readonly hlsUrl: StreamAddress
  readonly dashUrl: StreamAddress
}

/** What the player page offers when it is opened without an address. `undefined`: nothing is published. */
export type WatchSource = { current(): WatchTarget | undefined }
