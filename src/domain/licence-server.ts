import { z } from 'zod'
import { templateProblem, urlTemplateProblem } from './licence-template.ts'

/** Said by us, or by HTTP itself. */
const OWN_HEADERS =
  /^(?:host|connection|content-length|content-type|transfer-encoding|te|trailer|upgrade|expect|cookie|proxy-.*|x-forwarded-for)$/i

function template(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .superRefine((text, context) => {
      const problem = templateProblem(text)
      if (problem !== undefined) context.addIssue(problem)
      if (/[^\x20-\x7e]/.test(text)) context.addIssue('may hold printable ASCII only')
    })
}

const headerName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'must be the name of a header')
  .refine((name) => !OWN_HEADERS.test(name), 'is a header that is not for a policy to set')

const MAX_FIELDS = 32

/** How an outside licence server is asked on behalf of players. */
export const licenceServerSchema = z
  .strictObject({
    url: z
      .string()
      .max(2_048)
      .superRefine((text, context) => {
        const problem = urlTemplateProblem(text)
        if (problem !== undefined) context.addIssue(problem)
      })
      .meta({
        description:
          'Where challenges are sent, with `{kid}`, `{kidHex}`, `{kidBase64}`, `{keyId}`, `{accountId}`, `{assetId}`, `{token}`, `{subject}`, `{sessionId}` and `{address}` replaced.',
        example: 'https://widevine-dash.ezdrm.com/proxy?pX=A1B2C3&customdata={token}',
      }),
    headers: z
      .array(z.strictObject({ name: headerName, value: template(4_096) }))
      .max(16)
      .default([])
      .meta({ description: 'Sent along; values are templates as the URL is.' }),
    customData: z
      .strictObject({
        header: headerName.meta({ description: 'As DRMtoday reads it: `x-dt-custom-data`.' }),
        fields: z
          .record(z.string().min(1).max(64), template(1_024))
          .refine((fields) => Object.keys(fields).length <= MAX_FIELDS, `at most ${MAX_FIELDS} fields`),
      })
      .optional()
      .meta({
        description: 'A header with the base64 of a JSON object of these fields, whose values are templates.',
        example: {
          header: 'x-dt-custom-data',
          fields: { userId: '{subject}', sessionId: '{sessionId}', merchant: 'acme' },
        },
      }),
    certificate: z
      .base64()
      .max(16_384)
      .optional()
      .meta({ description: 'FairPlay: the application certificate (DER), given out below the key’s URL.' }),
  })
  .meta({ description: 'The licence server that challenges are passed on to, once this option is met.' })

/** How an outside licence server is asked, as it is stored. */
export type LicenceServer = z.output<typeof licenceServerSchema>
