import autocannon from 'autocannon'
import { MCP_HEADERS, MCP_PATH, toolCall as toolCallOf } from './mcp.ts'
import { HOST, PATH, pathOf } from './policy.ts'
import { percentile } from './statistics.ts'
import type { Server } from './workerd.ts'

/** Keep-alive connections, each with one request at a time. */
export const CONNECTIONS = 32

/** Seconds to wait for a last answer, where none ends the measurement. */
const PATIENCE = 10

/** Headers beside Host and Authorization: an agent's client's, and the one Cloudflare adds. */
export const HEADERS: Readonly<Record<string, string>> = {
  accept: 'application/json',
  'accept-encoding': 'gzip, deflate, br',
  'content-type': 'application/json',
  'user-agent': 'acme-agent/2.4.1 (linux; x64) node/24.21.0',
  'cf-connecting-ip': '203.0.113.7',
}

/** One list of tokens for each connection, which it sends in turn. */
export type Feeds = readonly (readonly string[])[]

/** What is asked, and for how long. */
export interface Task {
  readonly port: number
  readonly feeds: Feeds
  /** The measurement ends before a connection would send a token for the second time. */
  readonly once: boolean
  /** A path for each request of the lists, instead of one for all. */
  readonly manyPaths: boolean
  /** Bytes of the call of an MCP tool that each request is. */
  readonly toolCall?: number | undefined
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
  /** Microseconds of workerd's processor time for a request, where the system tells. */
  readonly cpu?: number
  /** Share of one processor that this process, the client, took. */
  readonly client: number
}

/** What is asked in place of a document, and how. */
export const callOf = (bytes: number | undefined) =>
  bytes === undefined
    ? undefined
    : {
        method: 'POST' as const,
        path: MCP_PATH,
        headers: { ...HEADERS, ...MCP_HEADERS },
        body: toolCallOf(bytes),
      }

/** Runs one task against the server. Throws when any answer is not a 200 with the expected body. */
export const load = async (server: Server, task: Task): Promise<Measure> => {
  const { port, feeds, once, manyPaths, toolCall, seconds, expectBody } = task
  const shortest = Math.min(...feeds.map(({ length }) => length))
  const latencies: number[] = []
  const sent = new Map<unknown, number>()
  const used = () => ({ at: performance.now(), client: process.cpuUsage(), server: server.cpu() })
  let start = used()
  let end: ReturnType<typeof used> | undefined
  let connection = 0
  const asked = callOf(toolCall)
  const setupClient = (client: autocannon.Client) => {
    const of = connection++
    // Built ahead for each request, so that every contender is asked at the same cost.
    const requests = feeds[of]?.map((token, i) => ({
      path: manyPaths ? pathOf(`${of}_${i}`) : PATH,
      ...asked,
      headers: { ...asked?.headers, authorization: `Bearer ${token}` },
    }))
    client.setRequests(requests ?? [])
  }
  const result = await new Promise<autocannon.Result>((done, fail) => {
    const instance = autocannon(
      {
        url: `http://127.0.0.1:${port}`,
        connections: CONNECTIONS,
        duration: seconds + PATIENCE,
        sampleInt: 100,
        headers: { host: HOST, ...HEADERS },
        expectBody,
        setupClient,
      },
      (error, outcome) => (error ? fail(error) : done(outcome)),
    )
    // Until here requests were built.
    instance.on('start', () => {
      start = used()
    })
    instance.on('response', (client, _status, _bytes, latency) => {
      if (end) return
      latencies.push(latency)
      const count = (sent.get(client) ?? 0) + 1
      sent.set(client, count)
      // One more is on its way when an answer is here.
      if ((once && count >= shortest - 1) || performance.now() - start.at >= seconds * 1000) {
        end = used()
        instance.stop()
      }
    })
  })
  const { length } = latencies
  const { non2xx, errors, mismatches, statusCodeStats } = result
  if (non2xx + errors + mismatches > 0 || length === 0) {
    const found = JSON.stringify({ errors, mismatches, statusCodeStats })
    throw new Error(`wrong answers among ${length}: ${found}\n${server.errors()}`)
  }
  const over = end ?? used()
  const span = (over.at - start.at) / 1000
  const client = over.client.user + over.client.system - start.client.user - start.client.system
  const cpu = ((over.server ?? Number.NaN) - (start.server ?? Number.NaN)) * 1e6
  const sorted = Float64Array.from(latencies).sort()
  return {
    rate: length / span,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    ...(!Number.isNaN(cpu) && { cpu: cpu / length }),
    client: client / 1e6 / span,
  }
}
