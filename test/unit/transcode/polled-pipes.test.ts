import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { expect, test } from 'vitest'
import { PolledPipes } from '../../../src/transcode/polled-pipes.ts'
import { spawnProcess } from '../../../src/transcode/spawn-port.ts'
import { until } from '../../support/until.ts'
import { settle } from './fake-ffmpeg.ts'

/** A shell with two pipes, 3 and 4, which are polled; it says on its standard error how far it is. */
function start(script: string) {
  const process = spawnProcess('/bin/sh', ['-c', script], 2)
  const heard = ['', '']
  const pipes = new PolledPipes(process.pipes, (index, chunk) => {
    heard[index] += Buffer.from(chunk).toString('latin1')
  })
  return { process, pipes, heard }
}

test('what waits in the pipes is read at a poll, and not before', async () => {
  const { process, pipes, heard } = start('printf one >&3; printf two >&4; echo said >&2; read line; printf more >&3')
  await once(process.stderr, 'data')
  await settle()
  expect(heard).toEqual(['', ''])
  expect(pipes.poll()).toEqual({ bytes: 6, wasFull: false })
  expect(pipes.poll()).toEqual({ bytes: 0, wasFull: false })
  expect(heard).toEqual(['one', 'two'])
  process.stdin.end('\n')
  await process.ended
  expect(pipes.poll().bytes).toBe(4)
  expect(heard).toEqual(['onemore', 'two'])
})

test('left to flow, they give the rest and their end', async () => {
  const { process, pipes, heard } = start('printf one >&3; echo said >&2; read line; printf two >&3; printf three >&4')
  await once(process.stderr, 'data')
  pipes.poll()
  pipes.flow()
  pipes.flow()
  process.stdin.end('\n')
  await Promise.all(process.pipes.map((pipe) => finished(pipe)))
  expect(heard).toEqual(['onetwo', 'three'])
  expect(pipes.poll()).toEqual({ bytes: 0, wasFull: false })
})

test('an end that a poll finds is told by the stream', async () => {
  const { process, pipes, heard } = start('printf one >&3')
  await process.ended
  pipes.poll()
  pipes.poll()
  await Promise.all(process.pipes.map((pipe) => finished(pipe)))
  expect(heard).toEqual(['one', ''])
})

test('a pipe that held much is said to have been full', async () => {
  const { process, pipes } = start('head -c 80000 /dev/zero >&3; echo said >&2')
  await once(process.stderr, 'data')
  expect(pipes.poll()).toEqual({ bytes: 80_000, wasFull: true })
  await process.ended
})

test('more than a pipe holds comes in full', async () => {
  const { process, pipes, heard } = start('head -c 1000000 /dev/zero >&3')
  let isGone = false
  void process.ended.then(() => {
    isGone = true
  })
  await until(
    () => isGone,
    10_000,
    async () => {
      pipes.poll()
      await settle()
    },
  )
  pipes.poll()
  expect(heard[0]).toHaveLength(1_000_000)
})

test('a pipe that is closed is not read', async () => {
  const { process, pipes, heard } = start('printf one >&3; echo said >&2; read line')
  await once(process.stderr, 'data')
  process.pipes[0]?.destroy()
  expect(pipes.poll().bytes).toBe(0)
  expect(heard).toEqual(['', ''])
  process.stdin.end('\n')
  await process.ended
})

test('a stream without a handle gives what it has as it comes', async () => {
  const stream = new PassThrough()
  const heard: string[] = []
  const pipes = new PolledPipes([stream], (_index, chunk) => heard.push(Buffer.from(chunk).toString()))
  stream.write('one')
  await settle()
  expect(pipes.poll()).toEqual({ bytes: 0, wasFull: false })
  pipes.flow()
  stream.write('two')
  await settle()
  expect(heard).toEqual(['one', 'two'])
})
