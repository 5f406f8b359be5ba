import { describe, expect, it } from 'vitest'
import { assetMachine } from '../../../src/domain/asset.ts'
import { assetFileMachine } from '../../../src/domain/asset-file.ts'
import { channelMachine } from '../../../src/domain/channel.ts'
import { jobMachine } from '../../../src/domain/job.ts'
import { mediaStreamMachine } from '../../../src/domain/media-stream.ts'
import { operationMachine } from '../../../src/domain/operation.ts'
import { programMachine } from '../../../src/domain/program.ts'
import { allowedOperations, type Machine, transition } from '../../../src/domain/state-machine.ts'
import { streamingEndpointMachine } from '../../../src/domain/streaming-endpoint.ts'
import { AppError } from '../../../src/lib/errors.ts'

/** A row per state, a column per operation; `-` is a refusal. */
const tables: readonly { readonly machine: Machine; readonly initial: string; readonly table: string }[] = [
  {
    machine: channelMachine,
    initial: 'Stopped',
    table: `
      state     start     stop      reset    rotate-key  update    configure  delete    force-delete  completed  failed
      Stopped   Starting  -         -        Stopped     Stopped   Stopped    Deleting  Deleting      -          -
      Starting  -         Stopping  -        Starting    Starting  -          -         Deleting      Running    Stopped
      Running   -         Stopping  Running  Running     Running   -          -         Deleting      -          Starting
      Stopping  -         -         -        Stopping    Stopping  -          -         Deleting      Stopped    Stopped
      Deleting  -         -         -        -           -         -          -         -             Deleted    Stopped
      Deleted   -         -         -        -           -         -          -         -             -          -`,
  },
  {
    machine: programMachine,
    initial: 'Stopped',
    table: `
      state     start     stop      update    configure  delete    force-delete  completed  failed
      Stopped   Starting  -         Stopped   Stopped    Deleting  Deleting      -          -
      Starting  -         Stopping  Starting  -          -         Deleting      Running    Stopped
      Running   -         Stopping  Running   -          -         Deleting      -          Starting
      Stopping  -         -         Stopping  -          -         Deleting      Stopped    Stopped
      Deleting  -         -         -         -          -         -             Deleted    Stopped
      Deleted   -         -         -         -          -         -             -          -`,
  },
  {
    machine: assetMachine,
    initial: 'Empty',
    table: `
      state      record     ingest  clear  update     delete   completed  failed
      Empty      Recording  Ready   Empty  Empty      Deleted  -          Failed
      Recording  -          -       -      Recording  -        Ready      Failed
      Ready      Recording  Ready   Empty  Ready      Deleted  -          -
      Failed     Recording  Ready   Empty  Failed     Deleted  -          -
      Deleted    -          -       -      -          -        -          -`,
  },
  {
    machine: assetFileMachine,
    initial: 'Pending',
    table: `
      state      upload     update   delete   completed  failed
      Pending    Uploading  Pending  Deleted  -          -
      Uploading  -          -        Deleted  Ready      Failed
      Ready      -          Ready    Deleted  -          -
      Failed     Uploading  Failed   Deleted  -          -
      Deleted    -          -        -        -          -`,
  },
  {
    machine: streamingEndpointMachine,
    initial: 'Stopped',
    table: `
      state     start     stop      scale    update    completed  failed
      Stopped   Starting  -         -        Stopped   -          -
      Starting  -         Stopping  -        Starting  Running    Stopped
      Running   -         Stopping  Scaling  Running   -          Starting
      Stopping  -         -         -        Stopping  Stopped    Stopped
      Scaling   -         Stopping  Scaling  Scaling   Running    Running`,
  },
  {
    machine: jobMachine,
    initial: 'Queued',
    table: `
      state       schedule   process     requeue  cancel     delete   completed  failed
      Queued      Scheduled  -           -        Canceling  -        -          Error
      Scheduled   -          Processing  Queued   Canceling  -        -          Error
      Processing  -          -           Queued   Canceling  -        Finished   Error
      Canceling   -          -           -        -          -        Canceled   Canceled
      Finished    -          -           -        -          Deleted  -          -
      Error       -          -           -        -          Deleted  -          -
      Canceled    -          -           -        -          Deleted  -          -
      Deleted     -          -           -        -          -        -          -`,
  },
  {
    machine: mediaStreamMachine,
    initial: 'Idle',
    table: `
      state       ingestAsset  startUpload  completeUpload  startRtmpIngest  stopRtmpIngest  update      delete   completed  failed
      Idle        Processing   Idle         Processing      Live             -               Idle        Deleted  -          -
      Live        -            -            -               -                Processing      Live        -        -          Idle
      Processing  -            -            -               -                -               Processing  -        OnDemand   Idle
      OnDemand    -            -            -               -                -               OnDemand    Deleted  -          -
      Deleted     -            -            -               -                -               -           -        -          -`,
  },
  {
    machine: operationMachine,
    initial: 'pending',
    table: `
      state      run      completed  failed
      pending    running  -          failed
      running    -        succeeded  failed
      succeeded  -        -          -
      failed     -        -          -`,
  },
]

function outcome(machine: Machine, state: string, operation: string): string {
  try {
    return transition(machine, state, operation)
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'STATE_CONFLICT') throw error
    expect(error.kind).toBe('conflict')
    expect(error.details).toMatchObject({ kind: machine.kind, state, operation })
    return '-'
  }
}

describe.each(tables.map((entry) => ({ ...entry, kind: entry.machine.kind })))(
  'the life of a $kind',
  ({ machine, initial, table }) => {
    const [[, ...operations] = [], ...rows] = table
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/))

    it('is tabled in full: every operation in every state', () => {
      expect(rows.map(([state]) => state).sort()).toEqual([...machine.states].sort())
      expect([...operations].sort()).toEqual([...Object.keys(machine.operations), 'completed', 'failed'].sort())
      expect(rows.every((row) => row.length === operations.length + 1)).toBe(true)
      expect(machine.initial).toBe(initial)
    })

    it.each(rows)('%s', (state = '', ...expected) => {
      expect(operations.map((operation) => outcome(machine, state, operation))).toEqual(expected)
      const allowed = operations.filter(
        (operation, index) => operation in machine.operations && expected[index] !== '-',
      )
      expect(new Set(allowedOperations(machine, state))).toEqual(new Set(allowed))
    })
  },
)

describe('a refusal', () => {
  it('says what was found and what would be allowed', () => {
    expect(() => transition(channelMachine, 'Running', 'start')).toThrow(
      'The channel is Running, which does not allow “start”.',
    )
    try {
      transition(channelMachine, 'Starting', 'start')
      expect.unreachable()
    } catch (error) {
      expect((error as AppError).details['allowed']).toEqual(['stop', 'rotate-key', 'update', 'force-delete'])
    }
  })
})
