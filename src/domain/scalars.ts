import { z } from 'zod'
import { formatDuration, parseDuration } from './duration.ts'

/** Unique per account and kind; safe in a URL, a file name and a metric label. */
export const nameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$/,
    'must be 1 to 128 letters, digits and . _ ~ - and begin with a letter or digit',
  )
  .meta({ description: 'Unique per account and kind; 1 to 128 URL-safe characters.', example: 'main' })

/** Free text for people. */
export const descriptionSchema = z.string().max(1_024).meta({ description: 'For people.', example: 'Main stage' })

const MAX_TAGS = 32

/** Labels by which entities are found; at most 32. */
export const tagsSchema = z
  .record(
    z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$/, 'a tag’s key must be 1 to 64 letters, digits and . _ : / -'),
    z.string().max(256),
  )
  .refine((tags) => Object.keys(tags).length <= MAX_TAGS, `there may be at most ${MAX_TAGS} tags`)
  .meta({ description: 'Up to 32 labels by which to find it.', example: { event: 'summer-2026' } })

/** An instant in UTC: `2026-11-02T20:15:00Z`. */
export const timestampSchema = z.iso
  .datetime('must be an ISO 8601 time in UTC such as 2026-11-02T20:15:00Z')
  .max(40)
  .meta({ description: 'ISO 8601, in UTC.', example: '2026-11-02T20:15:00Z' })

/** The text of an instant. */
export function formatTimestamp(epochMs: number): string {
  return new Date(epochMs).toISOString()
}

/** A GUID, kept in lower case. */
export const guidSchema = z
  .guid('must be a GUID')
  .toLowerCase()
  .meta({ description: 'A GUID.', example: '6f1d2c3b-5a4e-4f60-8b1a-0c9d8e7f6a5b' })

/** An ISO 8601 duration between two bounds, in milliseconds. */
export function durationSchema(minMs: number, maxMs: number, description: string, exampleMs: number) {
  const bounds = `${formatDuration(minMs)} to ${formatDuration(maxMs)}`
  return z
    .string()
    .max(64)
    .superRefine((text, context) => {
      const ms = parseDuration(text)
      if (ms === undefined) context.addIssue('must be an ISO 8601 duration such as PT2S, PT0.5S or PT25H')
      else if (ms < minMs || ms > maxMs) context.addIssue(`must lie between ${bounds.replace(' to ', ' and ')}`)
    })
    .meta({
      description: `${description} ISO 8601, ${bounds}.`,
      example: formatDuration(exampleMs),
    })
}

const network = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])

const addressSchema = z
  .string()
  .max(64)
  .refine((text) => network.safeParse(text).success, 'must be an IP address or a network such as 192.0.2.0/24')
  .meta({ description: 'An address or a network in CIDR notation.', example: '192.0.2.0/24' })

/** Addresses and networks; what an empty list means is for each use to say. */
export const addressListSchema = z.array(addressSchema).max(256)

/** The name of a host, in lower case. */
export const hostNameSchema = z
  .string()
  .max(253)
  .toLowerCase()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/,
    'must be the name of a host',
  )
  .meta({ description: 'Without scheme and port.', example: 'video.example.com' })

/** A page's origin, in lower case. */
export const originSchema = z
  .string()
  .max(300)
  .toLowerCase()
  .regex(/^https?:\/\/[a-z0-9.-]+(?::\d{1,5})?$/, 'must be an origin such as https://www.example.com')
  .meta({ description: 'Scheme, host and, where it has one, port.', example: 'https://www.example.com' })

/** An http or https URL. */
export const httpUrlSchema = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .max(2_048)
  .meta({ description: 'An http or https URL.', example: 'https://example.com/hooks/headend' })
