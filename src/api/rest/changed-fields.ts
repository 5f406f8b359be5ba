import { jsonPointer } from '../../domain/validation.ts'

type Loose = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** JSON pointers of the fields in which two versions of an entity differ, the deepest that tell it. */
export function changedFields(before: unknown, after: unknown, path: readonly string[] = []): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return []
  if (!isObject(before) || !isObject(after)) return [jsonPointer(path)]
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return keys.flatMap((key) => changedFields(before[key], after[key], [...path, key]))
}
