import { ownText, parseJsonObject } from '../../gate/base/json.ts'
import { readBody } from '../base/gate-client.ts'

/** One request of a drill. Times are milliseconds on the clock of the traffic. */
export interface Sent {
  readonly began: number
  readonly ended: number
  /** 0 if no answer came. */
  readonly status: number
  /** The code of a refusal: absent if the request passed, or if something else than a gate answered. */
  readonly code?: string
}

/** Milliseconds that an answer may take. */
const TIMEOUT_MS = 10_000
/** Milliseconds between two requests of a connection. */
const PAUSE_MS = 20
/** Bytes of an answer that are read. */
const MOST = 1024 * 1024

/** How codes of gates look. */
const CODE = /^[a-z0-9_]{1,64}$/

/**
 * Whether a request certainly reached the origin. An error without a code says nothing: the origin, or what stands
 * before the gate, may have made it.
 */
export function hasPassed({ status }: Sent): boolean {
  return status >= 200 && status < 300
}

/** What came instead of the answer that was expected. */
export function answerText({ status, code }: Sent): string {
  return status === 0 ? 'no answer came' : `the answer was ${status}${code ? ` ${code}` : ''}`
}

/** Sends GET requests to one origin. `elapsed`: milliseconds on a monotonic clock. Follows no redirect. */
export function createTraffic(origin: string, elapsed: () => number) {
  const open = (path: string, token: string | undefined, signal: AbortSignal) => {
    const headers = new Headers(token === undefined ? {} : { Authorization: `Bearer ${token}` })
    return fetch(origin + path, { headers, redirect: 'manual', signal })
  }

  const send = async (path: string, token?: string): Promise<Sent> => {
    const began = elapsed()
    let status = 0
    try {
      const response = await open(path, token, AbortSignal.timeout(TIMEOUT_MS))
      status = response.status
      const text = await readBody(response, MOST)
      const type = response.headers.get('content-type')?.split(';')[0]?.trim()
      const isProblem = !response.ok && type === 'application/problem+json'
      const code = isProblem ? ownText(parseJsonObject(text) ?? {}, 'code') : undefined
      return { began, ended: elapsed(), status, ...(code && CODE.test(code) && { code }) }
    } catch {
      // An answer that is too long, or does not end, passed all the same.
      return { began, ended: elapsed(), status }
    }
  }

  return {
    send,

    /** Opens a stream. */
    open,

    /** Sends again and again over several connections; `stop` ends that, and gives all requests. */
    repeat(path: string, token: string, connections: number, sleep: (ms: number) => Promise<void>) {
      const all: Sent[] = []
      let isOver = false
      const loops = Array.from({ length: connections }, async () => {
        while (!isOver) {
          all.push(await send(path, token))
          await sleep(PAUSE_MS)
        }
      })
      return {
        async stop(): Promise<readonly Sent[]> {
          isOver = true
          await Promise.all(loops)
          return all
        },
      }
    },
  }
}

export type Traffic = ReturnType<typeof createTraffic>
