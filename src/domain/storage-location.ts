import { z } from 'zod'
import { nameSchema } from './scalars.ts'

/** Where a storage account on the server's own disks lies. */
export const filesystemLocationSchema = z.strictObject({
  directory: nameSchema
    .optional()
    .meta({ description: 'Folder under the server’s media folder; if not given, the id.', example: 'studio' }),
})

/** A name that goes into a host name, or into a path, as it is. */
const bucketSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be 3 to 63 lower-case letters, digits, dots and hyphens')
  .refine((name) => !name.includes('..') && !/^[\d.]+$/.test(name), 'must be no address, and have no dots side by side')

const prefixSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(\/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,3}$/,
    'must be 1 to 4 parts of letters, digits and . _ - with / between them',
  )

/** Scheme, host and port: what follows is for the bucket and its objects. */
const endpointSchema = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .max(512)
  .refine((text) => isOrigin(text), 'must be no more than scheme, host and port')

function isOrigin(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && url.username === '' && url.password === '' && `${url.origin}/` === url.href
}

/** A bucket of S3, or of a service that speaks as S3 does, or a part of one. */
export const s3LocationSchema = z.strictObject({
  endpoint: endpointSchema.optional().meta({
    description:
      'Scheme, host and port of the service; if not given, AWS. One with an address that is not public is refused unless the server is configured otherwise.',
    example: 'https://s3.example.com',
  }),
  region: z
    .string()
    .regex(/^[a-z0-9]{1,12}(-[a-z0-9]{1,12}){0,4}$/, 'must be a region such as eu-central-1')
    .default('us-east-1')
    .meta({
      description: 'What requests are signed for; services other than AWS mostly take any.',
      example: 'eu-central-1',
    }),
  bucket: bucketSchema.meta({ description: 'It has to be there.', example: 'example-media' }),
  prefix: prefixSchema.optional().meta({
    description:
      'What every key begins with, a slash after it; not given: nothing, and the bucket is to be for this alone.',
    example: 'headend',
  }),
  forcePathStyle: z
    .boolean()
    .optional()
    .meta({ description: 'The bucket in the path of URLs and not in the host name; if not given, with an endpoint.' }),
})

/** An access key. */
export const s3CredentialsSchema = z.strictObject({
  accessKeyId: z
    .string()
    .regex(/^[\w.+=@/-]{1,128}$/, 'must be 1 to 128 letters, digits and . _ + = @ / -')
    .meta({ example: 'AKIAIOSFODNN7EXAMPLE' }),
  secretAccessKey: z
    .string()
    .regex(/^[\x21-\x7e]{1,256}$/, 'must be 1 to 256 visible ASCII characters')
    .meta({ description: 'Never shown again.', example: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }),
})

/** The same as it is kept: the secret may be sealed, and is longer then. */
export const keptS3CredentialsSchema = s3CredentialsSchema.extend({ secretAccessKey: z.string().min(1).max(2_048) })

/** The same as it is shown. */
export const shownS3CredentialsSchema = s3CredentialsSchema.pick({ accessKeyId: true })

/** Where a storage account on the server's own disks lies. */
export type FilesystemLocation = z.output<typeof filesystemLocationSchema>
/** A bucket, or a part of one. */
export type S3Location = z.output<typeof s3LocationSchema>

const nests = (outer: string, inner: string) => outer === '' || inner === outer || inner.startsWith(`${outer}/`)

/** Whether one part of a bucket lies in the other, or is it. */
export function overlaps(one: S3Location, other: S3Location): boolean {
  const host = ({ endpoint }: S3Location) => endpoint?.toLowerCase().replace(/\/$/, '')
  if (host(one) !== host(other) || one.bucket !== other.bucket) return false
  const [a = '', b = ''] = [one.prefix, other.prefix]
  return nests(a, b) || nests(b, a)
}
