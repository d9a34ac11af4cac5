import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyResult, jwtVerify } from 'jose'
import type { Gate } from '../kit/gate.ts'
import type { RecordedRequest } from '../kit/origin.ts'
import { RESOURCE } from './setting.ts'

export const JWKS = '/.edgewarden/jwks.json'

/** What an origin finds in a request, verified by what the gate publishes now. */
export const assertionIn = async (
  gate: Gate,
  request: RecordedRequest | undefined,
  audience: string,
): Promise<JWTVerifyResult & { readonly text: string }> => {
  const text = request?.header('x-agent-assertion') ?? ''
  return { text, ...(await verified(text, await keysOf(gate), audience)) }
}

/** The keys as the gate publishes them. */
export const keysOf = async (gate: Gate): Promise<JSONWebKeySet> =>
  (await gate.fetch(JWKS)).json() as Promise<JSONWebKeySet>

/** What an assertion says, verified by these keys, now or at another time. */
export const verified = (
  text: string,
  keys: JSONWebKeySet,
  audience: string,
  currentDate = new Date(),
) =>
  jwtVerify(text, createLocalJWKSet(keys), {
    typ: 'agent-assertion+jwt',
    issuer: RESOURCE,
    audience,
    currentDate,
  })
