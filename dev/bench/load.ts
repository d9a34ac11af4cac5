import { once } from 'node:events'
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { CONNECTIONS, HEADERS, type Kind } from './kinds.ts'
import { isSentOnce, type Row } from './lineup.ts'
import { pathOf } from './policy.ts'
import { authorized, type Credential } from './tokens.ts'
import type { Server } from './workerd.ts'

/** Paths of a connection, where each request has one of its own: in all more than the gate remembers. */
const PATHS = 128

/** What is asked, and for how long. */
export interface Task {
  readonly row: Row
  /** A list for each connection, which it sends over and over; where nothing is sent twice, once at most. */
  readonly credentials: readonly (readonly Credential[])[]
  readonly seconds: number
  readonly expectBody: string
  /** Milliseconds after which objects have begun what they do later, where that is counted. */
  readonly later?: number
}

/** One measurement. */
export interface Measure {
  /** Microseconds of workerd's processor time for a request. */
  readonly cpu: number
  /** Requests a second. */
  readonly rate: number
}

/**
 * Runs one task against the server. The processor time is read before and after the requests, while workerd has nothing
 * to do: Linux counts it at each tick of some milliseconds, and when a thread stops. Connecting is not counted. Throws
 * when any answer is not a 200 with the expected body.
 */
export const load = async (server: Server, task: Task): Promise<Measure> => {
  const { row, credentials, seconds, expectBody, later } = task
  const agent = new Agent({ keepAlive: true })
  const to = { agent, host: '127.0.0.1', port: server.ports[row.id] }
  const lists = credentials.slice(0, row.kind.connections ?? CONNECTIONS)
  let count = 0
  const send = async (list: readonly Credential[], connection: number, i: number) => {
    const path = row.manyPaths ? pathOf(`${connection}_${i % PATHS}`) : row.kind.path
    const answer = await ask({ ...to, path }, row.kind, list[i % list.length])
    if (answer !== expectBody) throw new Error(`${row.id} answers ${answer}\n${server.errors()}`)
    count++
  }
  try {
    await Promise.all(lists.map((list, connection) => send(list, connection, 0)))
    const before = await idle(server)
    count = 0
    const start = performance.now()
    const isOver = () => performance.now() - start >= seconds * 1000
    await Promise.all(
      lists.map(async (list, connection) => {
        const most = isSentOnce(row) ? list.length : Number.POSITIVE_INFINITY
        for (let i = 1; i < most && !isOver(); i++) await send(list, connection, i)
      }),
    )
    const rate = count / ((performance.now() - start) / 1000)
    const stored = row.audit === 'stored' || row.audit === 'dropped' ? STORED : 0
    return { cpu: (((await idle(server, later ?? stored)) - before) * 1e6) / count, rate }
  } finally {
    agent.destroy()
  }
}

/** Milliseconds in which no processor time is added, so that no thread runs: more than two ticks of any Linux. */
const QUIET = 25
/** Milliseconds within which a gate has sent its last records, and the audit has stored them. */
const STORED = 1_350
/** Milliseconds after which a Worker that goes on working ends the run. */
const MOST = 10_000

/** The processor time once it no longer grows, in seconds, and not before so many milliseconds are over. */
export const idle = async (server: Server, least = 0): Promise<number> => {
  const begun = performance.now()
  let [last, since] = [server.cpu(), begun]
  for (;;) {
    await setTimeout(2)
    const [now, at] = [server.cpu(), performance.now()]
    if (now > last) [last, since] = [now, at]
    else if (at - since >= QUIET && at - begun >= least) return last
    if (at - begun > MOST) throw new Error(`workerd goes on working\n${server.errors()}`)
  }
}

/** The body of the answer, once it is there to its end, or what is wrong with its status. */
export const ask = async (
  to: RequestOptions,
  kind: Kind,
  credential: Credential | undefined,
): Promise<string> => {
  const { method, headers, body } = kind
  const sent = request({
    ...to,
    method,
    headers: {
      ...HEADERS,
      ...headers,
      ...authorized(credential),
      ...(body !== undefined && { 'content-length': body.length }),
    },
  })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('latin1')) text += chunk
  return response.statusCode === 200 ? text : `${response.statusCode}: ${text}`
}
