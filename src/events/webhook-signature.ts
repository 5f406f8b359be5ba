import { createHmac } from 'node:crypto'

/**
 * The value of `Headend-Signature` of a delivery: `t=<unix seconds>,v1=<hex HMAC-SHA-256 of "<t>.<body>">`. The receiver computes
 * the same over the bytes that it got, compares in constant time, and refuses a time that is minutes off, which is a replay.
 */
export function webhookSignature(secret: string, epochMs: number, body: string): string {
  const seconds = Math.floor(epochMs / 1_000)
  const digest = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
  return `t=${seconds},v1=${digest}`
}
