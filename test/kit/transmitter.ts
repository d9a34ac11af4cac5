import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** How a transmitter misbehaves. */
export type Misbehaviour = (request: IncomingMessage, response: ServerResponse) => void

/** Why a receiver refuses an event (RFC 8935 §2.3). */
export interface SetError {
  readonly err: string
  readonly description: string
}

/** A poll as it was sent. */
export interface Poll {
  readonly ack: readonly string[]
  readonly setErrs: Readonly<Record<string, SetError>>
  readonly maxEvents: number | undefined
  readonly returnImmediately: boolean
  /** The names of the events in the answer. */
  readonly answered: readonly string[]
}

/** A transmitter that holds events until their receiver acknowledges them, as RFC 8936 says. */
export interface Transmitter {
  readonly endpoint: string
  readonly polls: readonly Poll[]
  /** What the receiver said of events that it refused, by their names. */
  readonly errors: Readonly<Record<string, SetError>>
  /** Holds an event. */
  hold(jti: string, set: unknown): void
  /** An event that it holds. */
  textOf(jti: string): unknown
  drop(jti: string): void
  /** The names of the events that it holds. */
  held(): readonly string[]
  /** Answers the next requests so, one after the other. */
  misbehave(...how: readonly Misbehaviour[]): void
  /** Answers ever so, until it is called without one. */
  fail(how?: Misbehaviour): void
  /** Requests that RFC 8936 does not allow. */
  readonly complaints: readonly string[]
  close(): Promise<void>
}

/** Starts a transmitter that takes polls with this `Authorization` header. */
export async function startTransmitter(authorization: string): Promise<Transmitter> {
  const events = new Map<string, unknown>()
  const polls: Poll[] = []
  const errors: Record<string, SetError> = {}
  const complaints: string[] = []
  let next: Misbehaviour[] = []
  let always: Misbehaviour | undefined
  const server = createServer((request, response) => {
    const wrong = next.shift() ?? always
    if (wrong) {
      wrong(request, response)
      return
    }
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const complaint = complaintOf(request, authorization)
      if (complaint !== undefined) {
        complaints.push(complaint)
        response.writeHead(complaint === 'authorization' ? 401 : 400).end()
        return
      }
      const asked = JSON.parse(Buffer.concat(chunks).toString())
      const { ack = [], setErrs = {}, maxEvents, returnImmediately = false } = asked
      for (const jti of [...ack, ...Object.keys(setErrs)]) events.delete(jti)
      Object.assign(errors, setErrs)
      const sets = [...events].slice(0, maxEvents)
      const answered = sets.map(([jti]) => jti)
      polls.push({ ack, setErrs, maxEvents, returnImmediately, answered })
      const moreAvailable = sets.length < events.size
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ sets: Object.fromEntries(sets), moreAvailable }))
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}/poll?key=in-the-query`,
    polls,
    errors,
    complaints,
    hold: (jti, set) => void events.set(jti, set),
    textOf: (jti) => events.get(jti),
    drop: (jti) => void events.delete(jti),
    held: () => [...events.keys()],
    misbehave(...how) {
      next = [...how]
    },
    fail(how) {
      always = how
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

const complaintOf = (
  { method, headers }: IncomingMessage,
  authorization: string,
): string | undefined => {
  if (method !== 'POST') return 'method'
  if (headers.authorization !== authorization) return 'authorization'
  return headers['content-type'] === 'application/json' ? undefined : 'content-type'
}
