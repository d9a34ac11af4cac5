import { parentPort, workerData } from 'node:worker_threads'
import { atPace, createSender, type Paced, type PacedResult, percentile } from './paced.ts'

// Sends in a thread of its own, so that others' times have none of its work in them.
const { port, rate, connections, kinds } = workerData as Paced
const { send, close } = createSender(port, connections)
const answers: Record<string, number> = {}
const times: number[] = []
const traffic = atPace(rate, connections, async (i) => {
  const [kind, requests] = kinds[i % kinds.length] ?? ['', []]
  const request = requests[Math.floor(i / kinds.length) % requests.length]
  if (!request) return
  const { status, took } = await send(request)
  times.push(took)
  answers[`${kind}: ${status}`] = (answers[`${kind}: ${status}`] ?? 0) + 1
})
parentPort?.once('message', async () => {
  const count = await traffic.end()
  close()
  const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)]
  parentPort?.postMessage({ count, answers, p50, p99 } satisfies PacedResult)
})
