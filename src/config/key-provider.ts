import { z } from 'zod'
import { duration, Secret } from './scalars.ts'

const secretText = z
  .string()
  .regex(/^[\x20-\x7e]{1,4096}$/, 'must be printable ASCII')
  .transform((text) => new Secret(text))

/** What HTTP and SPEKE say themselves. */
const OWN_HEADERS = /^(?:host|connection|content-length|content-type|transfer-encoding|x-speke-version|authorization)$/i
const systems = ['widevine', 'playready', 'fairplay'] as const

const speke = z
  .strictObject({
    url: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(2_048),
    username: z
      .string()
      .regex(/^[^:\p{Cc}]{1,256}$/u, 'must hold no colon')
      .optional(),
    password: secretText.optional(),
    headers: z
      .record(
        z
          .string()
          .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'must be the name of a header')
          .refine((name) => !OWN_HEADERS.test(name), 'is a header that is set here'),
        secretText,
      )
      .default({}),
    certificate: z.string().min(1).optional(),
    privateKey: z.string().min(1).optional(),
    systems: z
      .array(z.enum(systems))
      .max(systems.length)
      .default([...systems]),
    timeout: duration.refine((ms) => ms > 0 && ms <= 60_000, 'must be more than 0 and at most 1m').prefault('5s'),
    allowPrivate: z.boolean().default(false),
  })
  .refine(({ certificate, privateKey }) => (certificate === undefined) === (privateKey === undefined), {
    path: ['privateKey'],
    message: 'a certificate and its private key go together',
  })
  .refine(({ username, password }) => (username === undefined) === (password === undefined), {
    path: ['password'],
    message: 'a username and a password go together',
  })
  .refine(({ url }) => !/^https?:\/\/[^/?#]*@/i.test(url), {
    path: ['url'],
    message: 'must hold no password: give username and password',
  })

/** Where the values of content keys come from that nobody gave one for. */
export const keyProvider = z
  .strictObject({ command: z.array(z.string().min(1)).min(1).max(32).optional(), speke: speke.optional() })
  .refine(({ command, speke: service }) => command === undefined || service === undefined, {
    path: ['speke'],
    message: 'keys come from a command or from SPEKE, not from both',
  })

/** How a provider that speaks SPEKE v2 is asked. */
export type SpekeConfig = z.output<typeof speke>
