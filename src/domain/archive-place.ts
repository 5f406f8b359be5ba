import type { StorageTask } from './storage-task.ts'

/** Where a recording lies and under which key it is sealed, if it is: plain data, for another thread too. */
export type ArchivePlace = {
  readonly place: StorageTask['place']
  readonly key: Uint8Array | undefined
  /** Everything of it lies in here. */
  readonly folder: string
}
