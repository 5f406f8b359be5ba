import type { z } from 'zod'
import { AppError, type ErrorCode } from '../lib/errors.ts'

/** What was wrong and where: `pointer` is a JSON pointer (RFC 6901) into what was sent. */
export type FieldProblem = { readonly pointer: string; readonly detail: string }

const MAX_PROBLEMS = 20

/** `['input', 'allowIp', 0]` → `/input/allowIp/0` (RFC 6901 §3). */
export function jsonPointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** Of a union's branches, the one that came furthest with the least to complain of: what it says is of use to the sender. */
function closest(branches: readonly z.core.$ZodIssue[][]): readonly z.core.$ZodIssue[] {
  const depth = (issues: readonly z.core.$ZodIssue[]) => Math.max(0, ...issues.map((issue) => issue.path.length))
  const order = (a: readonly z.core.$ZodIssue[], b: readonly z.core.$ZodIssue[]) =>
    depth(b) - depth(a) || a.length - b.length
  return branches.toSorted(order)[0] ?? []
}

function problemsOf(issue: z.core.$ZodIssue, under: readonly PropertyKey[]): FieldProblem[] {
  const path = [...under, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ pointer: jsonPointer([...path, key]), detail: 'there is no such field' }))
  }
  const inner = issue.code === 'invalid_union' ? closest(issue.errors) : []
  const nested = inner.some((entry) => entry.path.length > 0)
  return nested
    ? inner.flatMap((entry) => problemsOf(entry, path))
    : [{ pointer: jsonPointer(path), detail: issue.message }]
}

/** Every problem that a schema found, at most 20. */
export function fieldProblems(error: z.ZodError): readonly FieldProblem[] {
  return error.issues.flatMap((issue) => problemsOf(issue, [])).slice(0, MAX_PROBLEMS)
}

/** An error about fields of what was sent; `details.problems` has all of them, for the problem document. */
export function fieldError(code: ErrorCode, problems: readonly FieldProblem[], details: Record<string, unknown> = {}) {
  const text = problems.map(({ pointer, detail }) => `${pointer || 'the document'}: ${detail}`).join('; ')
  return new AppError(code, text, { details: { ...details, problems } })
}

/**
 * What the schema makes of a value, defaults filled in.
 *
 * @throws AppError `ENTITY_INVALID`, with `details.problems`.
 */
export function validate<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw fieldError('ENTITY_INVALID', fieldProblems(result.error))
}
