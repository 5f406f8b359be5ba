import { z } from 'zod'
import { validate } from './validation.ts'

/** A merge patch of an object: every field may be left out, and `null` removes one that is optional or has a default. */
export type MergePatch<T> = {
  [K in keyof T]?: PatchValue<Exclude<T[K], undefined>> | (undefined extends T[K] ? null : never) | undefined
}
type PatchValue<V> = V extends string | number | boolean | null | readonly unknown[] ? V : MergePatch<V>

type About = Readonly<Record<string, unknown>>
type Unwrapped = { readonly inner: z.ZodType; readonly removable: boolean; readonly about: About }

/** What a schema says of itself, without the name that would make it a component. */
function aboutOf(schema: z.ZodType): About {
  const { id: _id, ...about } = schema.meta() ?? {}
  return about
}

/** What stands inside `optional` and defaults; what the outer says of itself goes before what the inner says. */
function unwrap(schema: z.ZodType): Unwrapped {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    const { inner, about } = unwrap(schema.def.innerType as z.ZodType)
    return { inner, removable: true, about: { ...about, ...aboutOf(schema) } }
  }
  return { inner: schema, removable: false, about: aboutOf(schema) }
}

function patchValue(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodObject) return patchObject(schema)
  if (schema instanceof z.ZodRecord) {
    const { keyType, valueType } = schema.def
    return z.record(
      keyType as z.ZodRecord['keyType'],
      patchField(valueType as z.ZodType)
        .unwrap()
        .nullable(),
    )
  }
  return schema
}

function patchField(schema: z.ZodType): z.ZodOptional<z.ZodType> {
  const { inner, removable, about } = unwrap(schema)
  const value = patchValue(inner)
  return (removable ? value.nullable() : value).meta(about).optional()
}

function patchObject(schema: z.ZodObject): z.ZodObject {
  const fields = Object.entries(schema.shape).map(([key, field]) => [key, patchField(field as z.ZodType)])
  return z.strictObject(Object.fromEntries(fields))
}

/**
 * The schema of merge patches (RFC 7396) of an object. What spans fields is not checked here but on the whole that the
 * patch results in.
 */
export function patchOf<S extends z.ZodObject>(schema: S): z.ZodType<MergePatch<z.input<S>>> {
  return patchObject(schema) as z.ZodType as z.ZodType<MergePatch<z.input<S>>>
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** RFC 7396 §2; neither argument is altered. A field given as `undefined` counts as left out. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const result = new Map(isObject(target) ? Object.entries(target) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key)
    else if (value !== undefined) result.set(key, applyMergePatch(result.get(key), value))
  }
  return Object.fromEntries(result)
}

/**
 * The entity that a client's patch makes of the current one, checked as a whole.
 *
 * @throws AppError `ENTITY_INVALID`, with `details.problems`.
 */
export function patched<S extends z.ZodType>(
  schema: S,
  patchSchema: z.ZodType,
  current: z.output<S>,
  patch: unknown,
): z.output<S> {
  return validate(schema, applyMergePatch(current, validate(patchSchema, patch)))
}
