import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { objectOf, own, ownText, parseJsonObject } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { present } from '../base/output.ts'
import type { Expected, TestCase } from '../tests/test-file.ts'
import type { RequestMaker } from '../tests/test-request.ts'
import type { Arrival, StandIn } from './stand-in.ts'

/** By this header the gate knows that the request came over https. */
export const PROTOCOL_HEADER = 'X-Forwarded-Proto'

/** Milliseconds that an answer may take. */
const PATIENCE = 30_000

/** A case that was sent, and what came back. */
export interface Tried {
  /** `METHOD URL`, and the message to an MCP server. */
  readonly request: string
  readonly status: number
  readonly body: string
  /** The code of a refusal. */
  readonly code?: string
  /** What the origin received; absent if nothing. */
  readonly arrival?: Arrival
  /** Why the answer is not as expected; absent if it is. */
  readonly failure?: string
}

/** What a case is sent by. */
export interface Line {
  readonly maker: RequestMaker
  readonly origin: StandIn
  /** Of the gate, on this machine. */
  readonly port: number
}

/**
 * Why only the stages of the policy can decide a case, and no running gate; `undefined` if it can be sent. A time is no
 * such reason: the request is then made now.
 */
export function onlyTested({ token, around, claims = {} }: TestCase): string | undefined {
  if (token !== undefined) return 'its token is signed by another key'
  if (around.caller !== undefined || Object.keys(around.connection ?? {}).length > 0)
    return 'it says where the request comes from'
  return Object.hasOwn(claims, 'iat') ? 'it says when its token was issued' : undefined
}

/** Sends the request of a case to the gate. A failure is a sentence. */
export async function tryCase(
  { at: _, ...test }: TestCase,
  { maker, origin, port }: Line,
): Promise<Result<Tried, string>> {
  // A token with the same jti could be refused as used.
  const claims = test.claims && { jti: crypto.randomUUID(), ...test.claims }
  const sent = await maker.request({ ...test, ...(claims && { claims }) })
  if (!sent.ok) return sent
  const { method, url, headers, body } = sent.value.request
  const bytes = body ? Buffer.from(await new Response(body).arrayBuffer()) : undefined
  const address = new URL(url)
  const fields: Record<string, string> = {}
  headers.forEach((value, name) => {
    fields[name] = value
  })
  origin.arrivals()
  try {
    const asked = httpRequest({
      host: '127.0.0.1',
      port,
      method,
      path: address.pathname + address.search,
      agent: false,
      signal: AbortSignal.timeout(PATIENCE),
      headers: {
        ...fields,
        host: address.host,
        [PROTOCOL_HEADER]: address.protocol.slice(0, -1),
        ...(bytes && { 'content-length': bytes.length }),
      },
    }).end(bytes)
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    const answered = await text(answer)
    const { statusCode: status = 0 } = answer
    const [arrival] = origin.arrivals()
    const code = arrival ? undefined : codeOf(answered)
    const message = present([test.asked?.method, test.asked?.name])
    const tried = {
      request: [`${method} ${url}`, ...message].join(' '),
      status,
      body: answered,
      ...(code !== undefined && { code }),
      ...(arrival && { arrival }),
    }
    const failure = test.expect && failureOf(test.expect, tried)
    return ok({ ...tried, ...(failure !== undefined && { failure }) })
  } catch (error) {
    return fail(`the gate gave no answer: ${String(error)}`)
  }
}

/** The code of a refusal: of a problem document, or of an error of JSON-RPC. */
const codeOf = (body: string): string | undefined => {
  const answer = parseJsonObject(body) ?? {}
  const data = own(objectOf(own(answer, 'error')), 'data')
  return ownText(answer, 'code') ?? ownText(objectOf(data), 'code')
}

/**
 * Compares what can be seen from outside: whether the request was refused, and the code. An answer to HEAD has no code.
 */
const failureOf = ({ decision, code }: Expected, found: Tried): string | undefined => {
  const isDenied = !found.arrival && found.status >= 400
  const is = isDenied
    ? `denied: ${found.code ?? `status ${found.status}, without a code`}`
    : 'allowed'
  const wanted = decision ?? (code === undefined ? undefined : 'denied')
  if (wanted !== undefined && (wanted === 'denied') !== isDenied)
    return `decision is to be "${wanted}", but it is ${is}`
  return found.code !== undefined && code !== undefined && code !== found.code
    ? `code is to be "${code}", but it is ${is}`
    : undefined
}
