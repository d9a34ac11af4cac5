import autocannon from 'autocannon'
import { HEADERS } from './kinds.ts'
import type { Row } from './lineup.ts'
import { pathOf } from './policy.ts'
import { percentile } from './statistics.ts'
import type { Server } from './workerd.ts'

/** Keep-alive connections, each with one request at a time. */
export const CONNECTIONS = 32

/** Seconds to wait for a last answer, where none ends the measurement. */
const PATIENCE = 10

/** What is asked, and for how long. */
export interface Task {
  readonly row: Row
  /** One list for each connection, which it sends in turn. */
  readonly tokens: readonly (readonly string[])[]
  /** The measurement ends before a connection would send a token of its list for the second time. */
  readonly once: boolean
  readonly seconds: number
  readonly expectBody: string
}

/** One measurement. */
export interface Measure {
  /** Requests a second. */
  readonly rate: number
  /** Latency in milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Microseconds of workerd's processor time for a request. */
  readonly cpu: number
}

/** Runs one task against the server. Throws when any answer is not a 200 with the expected body. */
export const load = async (server: Server, task: Task): Promise<Measure> => {
  const { row, tokens, once, seconds, expectBody } = task
  const { method, path, headers, body } = row.kind
  const shortest = Math.min(...tokens.map(({ length }) => length))
  const latencies: number[] = []
  const sent = new Map<unknown, number>()
  let answers = 0
  const used = () => ({ at: performance.now(), cpu: server.cpu() })
  let start = used()
  let end: ReturnType<typeof used> | undefined
  let connection = 0
  const setupClient = (client: autocannon.Client) => {
    const of = connection++
    // Built ahead for each request, so that every row is asked at the same cost.
    const requests = tokens[of]?.map((token, i) => ({
      method,
      path: row.manyPaths ? pathOf(`${of}_${i}`) : path,
      headers: { ...HEADERS, ...headers, authorization: `Bearer ${token}` },
      ...(body !== undefined && { body }),
    }))
    client.setRequests(requests ?? [])
  }
  const result = await new Promise<autocannon.Result>((done, fail) => {
    const instance = autocannon(
      {
        url: `http://127.0.0.1:${server.ports[row.id]}`,
        connections: CONNECTIONS,
        duration: seconds + PATIENCE,
        sampleInt: 50,
        expectBody,
        setupClient,
      },
      (error, outcome) => (error ? fail(error) : done(outcome)),
    )
    instance.on('response', (client, _status, _bytes, latency) => {
      if (end) return
      answers++
      // What was begun before the start is like what is still open at the end: one request a connection.
      if (answers === CONNECTIONS) start = used()
      if (answers <= CONNECTIONS) return
      latencies.push(latency)
      const count = (sent.get(client) ?? 0) + 1
      sent.set(client, count)
      const isOver = performance.now() - start.at >= seconds * 1000
      // Two more have been sent: the first, and one that is on its way.
      if ((once && count >= shortest - 2) || (isOver && answers % CONNECTIONS === 0)) {
        end = used()
        instance.stop()
      }
    })
  })
  const { length } = latencies
  const { non2xx, errors, mismatches, statusCodeStats } = result
  if (non2xx + errors + mismatches > 0 || !end) {
    const found = JSON.stringify({ errors, mismatches, statusCodeStats })
    throw new Error(`${row.id}: wrong answers among ${length}: ${found}\n${server.errors()}`)
  }
  const sorted = Float64Array.from(latencies).sort()
  return {
    rate: length / ((end.at - start.at) / 1000),
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    cpu: ((end.cpu - start.cpu) * 1e6) / length,
  }
}
