import { isObject, type JsonObject, listOf, own, ownText, parseJson } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { parseUrl } from '../../gate/base/url.ts'
import { isSecure, networkReason, readBody } from './gate-client.ts'

/** How a stream delivers events (RFC 8935, RFC 8936). */
export const DELIVERY = { push: 'urn:ietf:rfc:8935', poll: 'urn:ietf:rfc:8936' } as const

/** What a transmitter says of itself (SSF 1.0 §7.1). */
export interface SsfConfiguration {
  readonly configurationEndpoint: string
  readonly verificationEndpoint: string | undefined
  readonly jwksUri: string | undefined
  /** Empty if it does not say. */
  readonly deliveryMethods: readonly string[]
}

interface SsfCall {
  readonly method?: 'POST' | 'DELETE'
  readonly token?: string
  readonly body?: JsonObject
  /** Statuses of an answer to use. */
  readonly good: readonly number[]
}

const TIMEOUT_MS = 10_000
const ANSWER_BYTES = 1024 * 1024

/**
 * Reads the configuration of a transmitter, whose `issuer` must be exactly this one. A reason of a failure is a sentence
 * that says what to do.
 */
export async function readConfiguration(issuer: string): Promise<Result<SsfConfiguration, string>> {
  const { origin, pathname } = new URL(issuer)
  const url = `${origin}/.well-known/ssf-configuration${pathname.replace(/\/$/, '')}`
  const answer = await callTransmitter(url, { good: [200] })
  if (!answer.ok) return answer
  const { value } = answer
  if (!isObject(value) || ownText(value, 'issuer') !== issuer) {
    return fail(`${url} is not about ${issuer}: write its "issuer" as issuer of the transmitter.`)
  }
  const [configurationEndpoint, verificationEndpoint, jwksUri] = [
    ...['configuration_endpoint', 'verification_endpoint', 'jwks_uri'],
  ].map((name) => ownText(value, name))
  if (configurationEndpoint === undefined) {
    return fail(
      `${url} names no configuration_endpoint: make the stream at the transmitter itself.`,
    )
  }
  const methods = listOf(own(value, 'delivery_methods_supported'))
  const deliveryMethods = methods.filter((one) => typeof one === 'string')
  return ok({ configurationEndpoint, verificationEndpoint, jwksUri, deliveryMethods })
}

/** The streams of the token's receiver (SSF 1.0 §8.1.1). */
export async function readStreams(
  { configurationEndpoint }: SsfConfiguration,
  token: string,
): Promise<Result<readonly JsonObject[], string>> {
  const answer = await callTransmitter(configurationEndpoint, { token, good: [200, 404] })
  if (!answer.ok) return answer
  // A transmitter with one stream for each receiver answers with that.
  return ok(
    [answer.value].flat().filter((one) => isObject(one) && 'stream_id' in one) as JsonObject[],
  )
}

/**
 * Calls a transmitter once, within 10 s, over https or on this machine, without following redirects. The answer's JSON, or
 * `undefined` where it is none. A reason of a failure is a sentence, and has no part of the token.
 */
export async function callTransmitter(
  url: string,
  { method, token, body, good }: SsfCall,
): Promise<Result<unknown, string>> {
  const parsed = parseUrl(url)
  if (!parsed || !isSecure(parsed)) return fail(`${url} is not an https URL.`)
  try {
    const response = await fetch(url, {
      method: method ?? 'GET',
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        Accept: 'application/json',
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(body && { 'Content-Type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await readBody(response, ANSWER_BYTES)
    if (good.includes(response.status)) return ok(parseJson(text))
    return fail(`${url} answered ${response.status}${ADVICE[response.status] ?? '.'}`)
  } catch (error) {
    return fail(`${url} cannot be used: ${networkReason(error, TIMEOUT_MS)}.`)
  }
}

const TOKEN = ': give a token of the transmitter with scope ssf.manage.'
const ADVICE: Readonly<Record<number, string>> = {
  401: TOKEN,
  403: TOKEN,
  404: ': it has no such configuration or stream.',
  409: ': it has a stream for this receiver. Disconnect that one first.',
  429: ': try again later.',
}
