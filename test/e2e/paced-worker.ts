import { parentPort, workerData } from 'node:worker_threads'
import { atPace, createSender, type Sent } from './paced.ts'

/** What `startPaced` of hostile.ts hands over. */
interface Work {
  readonly port: number
  readonly rate: number
  readonly connections: number
  /** Kinds of requests, which take turns. */
  readonly kinds: readonly (readonly [kind: string, requests: readonly Sent[]])[]
}

// Sends in a thread of its own, so that others' times have none of its work in them.
const { port, rate, connections, kinds } = workerData as Work
const { send, close } = createSender(port, connections)
const answers: Record<string, number> = {}
const traffic = atPace(rate, connections, async (i) => {
  const [kind, requests] = kinds[i % kinds.length] ?? ['', []]
  const request = requests[Math.floor(i / kinds.length) % requests.length]
  if (!request) return
  const { status } = await send(request)
  answers[`${kind}: ${status}`] = (answers[`${kind}: ${status}`] ?? 0) + 1
})
parentPort?.once('message', async () => {
  const count = await traffic.end()
  close()
  parentPort?.postMessage({ count, answers })
})
