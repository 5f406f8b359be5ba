import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { Replica } from '../../src/log/replica.ts'
import { Interview, type Question } from './log-harness.ts'

const { feed } = workerData as { feed: MessagePort }
const replica = new Replica(feed)
const interview = new Interview(replica)

parentPort?.on('message', ({ serial, question }: { serial: number; question: Question }) => {
  void interview.answer(question).then((answer) => parentPort?.postMessage({ serial, answer }))
})
void replica.ready.then(() => parentPort?.postMessage({ serial: 0, answer: 'ready' }))
