import { Agent, request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { Gate } from '../kit/gate.ts'
import { HOST } from './setting.ts'

/** An answer that broke off: its agent was revoked while it was on its way. */
export const CUT = 0

/** A request as a caller in a hurry, or in none, makes it. */
export interface Call {
  readonly path: string
  readonly token: string
  /** Makes it a POST. */
  readonly body?: string
  /** Milliseconds between the bytes of the body; at once by default. */
  readonly pace?: number
}

/** What a caller keeps of an answer. */
export interface Got {
  readonly status: number
  readonly location: string | undefined
  readonly text: string
}

/** Callers who keep their connections. */
export const createCallers = (connections: number) => {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const call = (gate: Gate, { path, token, ...rest }: Call): Promise<Got> =>
    new Promise((done, failed) => {
      const { body, pace = 0 } = rest
      let isAnswered = false
      const answered = (status: number, text = '', location?: string) => {
        isAnswered = true
        done({ status, text, location })
      }
      const sent = request(
        {
          port: gate.port,
          host: '127.0.0.1',
          agent,
          path,
          method: body === undefined ? 'GET' : 'POST',
          headers: {
            host: HOST,
            authorization: `Bearer ${token}`,
            ...(body !== undefined && {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(body),
            }),
          },
        },
        (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (chunk) => {
            text += chunk
          })
          const { location } = response.headers
          response.on('end', () => answered(response.statusCode ?? 0, text, location))
          response.on('error', () => answered(CUT))
        },
      )
      sent.on('error', (error: NodeJS.ErrnoException) => {
        if (isAnswered) return
        // The gate may have closed a connection that was idle.
        if (sent.reusedSocket) done(call(gate, { path, token, ...rest }))
        else if (['ECONNRESET', 'EPIPE'].includes(error.code ?? '')) answered(CUT)
        else failed(error)
      })
      if (body === undefined || pace === 0) {
        sent.end(body)
        return
      }
      sent.flushHeaders()
      void (async () => {
        for (const byte of body) {
          await wait(pace)
          // Who is refused hears of it before the end.
          if (isAnswered) break
          sent.write(byte)
        }
        if (isAnswered) sent.destroy()
        else sent.end()
      })()
    })
  return { call, close: () => agent.destroy() }
}

/** A number below `below` that looks random, the same in every run. */
export const createDice = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

/** Counts, and tells those who wait for a count. */
export const createCounter = () => {
  let count = 0
  const waiting: { readonly due: number; readonly done: () => void }[] = []
  return {
    get count() {
      return count
    },
    more(): void {
      count++
      for (const one of waiting) if (one.due <= count) one.done()
    },
    until: (due: number): Promise<void> =>
      due <= count ? Promise.resolve() : new Promise((done) => waiting.push({ due, done })),
  }
}
