import { once } from 'node:events'
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http'
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
}

/** One measurement. */
export interface Measure {
  /** Microseconds of workerd's processor time for a request. */
  readonly cpu: number
  /** Requests a second. */
  readonly rate: number
}

/** Runs one task against the server. Throws when any answer is not a 200 with the expected body. */
export const load = async (server: Server, task: Task): Promise<Measure> => {
  const { row, credentials, seconds, expectBody } = task
  const agent = new Agent({ keepAlive: true })
  const to = { agent, host: '127.0.0.1', port: server.ports[row.id] }
  const { connections = CONNECTIONS } = row.kind
  let answers = 0
  const used = () => ({ at: performance.now(), cpu: server.cpu(), answers })
  let start = used()
  let end: typeof start | undefined
  const loop = async (list: readonly Credential[], connection: number): Promise<void> => {
    for (let i = 0; !end; i++) {
      const path = row.manyPaths ? pathOf(`${connection}_${i % PATHS}`) : row.kind.path
      const answer = await ask({ ...to, path }, row.kind, list[i % list.length])
      if (answer !== expectBody) throw new Error(`${row.id} answers ${answer}\n${server.errors()}`)
      answers++
      // As much was begun before the start as is open at the end: one request of each connection.
      if (answers === connections) start = used()
      if (answers <= connections || end) continue
      const isOver = performance.now() - start.at >= seconds * 1000 && answers % connections === 0
      if (isOver || (isSentOnce(row) && i + 1 === list.length)) end = used()
    }
  }
  try {
    await Promise.all(credentials.slice(0, connections).map(loop))
  } finally {
    agent.destroy()
  }
  const over = end ?? used()
  const count = over.answers - start.answers
  return {
    cpu: ((over.cpu - start.cpu) * 1e6) / count,
    rate: count / ((over.at - start.at) / 1000),
  }
}

/** The body of the answer, once it is there to its end, or what is wrong with its status. */
const ask = async (
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
