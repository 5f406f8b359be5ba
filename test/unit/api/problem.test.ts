import { describe, expect, it } from 'vitest'
import { problemOf } from '../../../src/api/problem.ts'
import { fieldError } from '../../../src/domain/validation.ts'
import { AppError } from '../../../src/lib/errors.ts'

describe('a problem document', () => {
  it('says what was wrong and where', () => {
    const problems = [{ pointer: '/name', detail: 'is missing' }]
    expect(problemOf(fieldError('ENTITY_INVALID', problems))).toEqual({
      type: 'urn:headend:problem:entity-invalid',
      title: 'Bad Request',
      status: 400,
      detail: '/name: is missing',
      code: 'ENTITY_INVALID',
      problems,
    })
  })

  it('shows no other detail of an error', () => {
    const error = new AppError('STORE_DOWN', 'the store is slow', { details: { outcome: 'unknown', problems: 'x' } })
    expect(Object.keys(problemOf(error))).toEqual(['type', 'title', 'status', 'detail', 'code'])
  })

  it.each([
    ['entity.parse.failed', 400, 'REQUEST_INVALID'],
    ['entity.too.large', 413, 'LIMIT_EXCEEDED'],
    ['charset.unsupported', 415, 'MEDIA_TYPE_UNSUPPORTED'],
  ])('has a stable type for a body that can’t be read: %s', (type, status, code) => {
    const error = Object.assign(new Error('secret internals'), { type, status })
    const problem = problemOf(error)
    expect(problem).toMatchObject({ status, code, type: expect.stringMatching(/^urn:headend:problem:/) })
    expect(problem.detail).not.toContain('secret')
  })

  it('tells nothing of what went wrong inside', () => {
    for (const error of [
      new Error('x'),
      new AppError('INTERNAL', 'x'),
      Object.assign(new Error('x'), { status: 500 }),
    ]) {
      expect(problemOf(error)).toMatchObject({ type: 'about:blank', status: 500 })
    }
  })
})
