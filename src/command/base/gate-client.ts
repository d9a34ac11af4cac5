import {
  isObject,
  type JsonObject,
  jsonText,
  listOf,
  own,
  ownText,
  parseJson,
} from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { isLoopback, parseUrl } from '../../gate/base/url.ts'
import { cannotTell, EXIT, type Outcome, present } from './output.ts'

/** Where a gate is. */
export interface GateAddress {
  readonly origin: string
  /** Path of the gate's own endpoints. */
  readonly prefix: string
  readonly loopback: boolean
}

/** One call of a gate. */
export interface GateCall {
  /** GET without one. */
  readonly method?: 'POST' | 'PUT' | 'PATCH' | 'DELETE' | undefined
  /** With query, below the gate's origin. */
  readonly path: string
  readonly token?: string
  readonly body?: unknown
  /** `If-Match`. */
  readonly match?: string | undefined
  /** For a stream of events, which takes as long as this signal lets it; `after`: the last event that was read. */
  readonly events?: { readonly signal: AbortSignal; readonly after?: string | undefined }
}

/** What the gate said. */
export interface GateAnswer {
  readonly status: number
  readonly body: JsonObject
  readonly location?: string
  /** The stream, where one was asked for. */
  readonly events?: AsyncIterable<Uint8Array>
}

/** The outcome of a call without an answer to use. */
export interface GateFault extends Outcome {
  /** What the gate said, if it refused the call. */
  readonly refused?: { readonly status: number; readonly problem: JsonObject }
}

const TIMEOUT_MS = 10_000
/** Bytes of an answer that are read, and its nesting. */
const ANSWER_BYTES = 8 * 1024 * 1024
const ANSWER_DEPTH = 256
const EVENTS = 'text/event-stream'
const PREFIX = /^(?:\/[A-Za-z0-9._~-]+)+$/

/** Reads where a gate is. Plain http is accepted only for this machine: the call carries a token. */
export function gateAddress(url: string, prefix: string): Result<GateAddress, string> {
  const parsed = parseUrl(url)
  if (!parsed || !/^https?:$/.test(parsed.protocol)) {
    return fail('--gate must be a URL, such as https://api.my-company.com')
  }
  if (parsed.pathname !== '/' || parsed.search !== '' || parsed.hash !== '') {
    return fail(`--gate is scheme and host only: ${parsed.origin} (give a prefix with --prefix)`)
  }
  if (parsed.username !== '' || parsed.password !== '') {
    return fail('--gate must not contain a name or password')
  }
  const loopback = isLoopback(parsed.hostname)
  if (parsed.protocol === 'http:' && !loopback) {
    return fail('--gate must be https: over plain http anyone on the network could read the token')
  }
  if (!PREFIX.test(prefix) || /\/\.{1,2}(?=\/|$)/.test(prefix)) {
    return fail(`--prefix must be a path of plain segments, such as /.edgewarden`)
  }
  return ok({ origin: parsed.origin, prefix, loopback })
}

/**
 * Calls a gate once, by default within 10 s, and without following redirects. Checks only that the answer is
 * a JSON object.
 */
export async function callGate(
  gate: GateAddress,
  { method, path, token, body, match, events }: GateCall,
  timeoutMs = TIMEOUT_MS,
): Promise<Result<GateAnswer, GateFault>> {
  const silent = (message: string) => fail(cannotTell(message))
  try {
    const response = await fetch(gate.origin + path, {
      method: method ?? 'GET',
      redirect: 'manual',
      signal: events?.signal ?? AbortSignal.timeout(timeoutMs),
      headers: {
        Accept: `${events ? EVENTS : 'application/json'}, application/problem+json`,
        ...(events?.after !== undefined && { 'Last-Event-ID': events.after }),
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(match !== undefined && { 'If-Match': match }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
      ...(body !== undefined && { body: jsonText(body) }),
    })
    const { status } = response
    if (status >= 300 && status < 400) {
      await response.body?.cancel()
      return silent(
        `${gate.origin} answered with a redirect (${status}), which is not followed; give the gate's own address.`,
      )
    }
    const type = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
    if (events && response.body && type === EVENTS) {
      return ok({ status, body: {}, events: response.body })
    }
    const read = parseJson(await readBody(response), ANSWER_DEPTH)
    const json = isObject(read) ? read : undefined
    if (response.ok && !events) {
      const location = response.headers.get('location')
      if (json === undefined && status !== 204) {
        return silent(`${gate.origin} answered ${status}, but not as a gate does; is --gate right?`)
      }
      return ok({ status, body: json ?? {}, ...(location !== null && { location }) })
    }
    return type === 'application/problem+json' && json !== undefined
      ? fail(refusal(status, json))
      : silent(
          `${gate.origin} answered ${status}, but not as a gate does; is --gate (or --prefix) right?`,
        )
  } catch (error) {
    return silent(`${gate.origin} cannot be reached: ${networkReason(error, timeoutMs)}.`)
  }
}

const refusal = (status: number, problem: JsonObject): GateFault => {
  const [title, code, hint, id] = ['title', 'code', 'hint', 'request_id'].map((name) =>
    ownText(problem, name),
  )
  // If the gate is unavailable, nothing is decided. If the set is full (507), the answer is no.
  const undecided = status >= 500 && status !== 507
  return {
    refused: { status, problem },
    exitCode: undecided ? EXIT.unknown : EXIT.no,
    json: { error: title ?? 'refused', problem },
    out: [],
    err: present([
      `The gate ${undecided ? 'could not decide' : 'refused'}: ${title ?? 'no reason given'} (${code ?? 'no code'}, ${status})`,
      // What is wrong with the call, member by member.
      ...listOf(own(problem, 'problems'))
        .filter(isObject)
        .map((one) => `  ${own(one, 'path')}: ${own(one, 'message')}`),
      hint !== undefined && `What to do: ${hint}`,
      id !== undefined && `Request id: ${id}`,
    ]),
  }
}

/** Whether a URL contains no password, and is https or on this machine. */
export function isSecure({ protocol, hostname, username, password }: URL): boolean {
  const isSafe = protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
  return isSafe && username + password === ''
}

/** The text of an answer; a `RangeError` if it has more bytes than `most`. */
export async function readBody(response: Response, most = ANSWER_BYTES): Promise<string> {
  const decoder = new TextDecoder()
  let bytes = 0
  let text = ''
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > most) throw new RangeError('answer too long')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the name does not exist',
  EAI_AGAIN: 'the name cannot be looked up',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not from an authority that this machine knows',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not from an authority that this machine knows',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'it does not send the certificate of its own issuer',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
}

/** Why a request brought no answer, as the end of a sentence. */
export function networkReason(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return 'the connection failed'
  // Here a request ends early only because of a time limit, by the signal of a timeout or of a timer.
  if (/^(?:Timeout|Abort)Error$/.test(error.name)) return `no answer within ${timeoutMs / 1000} s`
  if (error instanceof RangeError) return 'its answer is too long'
  const { cause } = error
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return NETWORK[code] ?? (code === '' ? 'the connection failed' : `the system says ${code}`)
}
