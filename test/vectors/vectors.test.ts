import { readdirSync, readFileSync } from 'node:fs'
import { compactVerify, importJWK, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { ok } from '../../src/gate/base/result.ts'
import { credential } from '../../src/gate/guard/stages/credential.ts'
import { signature } from '../../src/gate/guard/stages/signature.ts'
import type { Algorithm } from '../../src/gate/model/issuer.ts'
import type { VerificationKey } from '../../src/gate/model/token.ts'
import {
  addressOf,
  codeOf,
  credentialOf,
  issuerOf,
  noTokens,
  policyOf,
  RESOURCE,
  requestTo,
  routeOf,
} from '../kit/facts.ts'

interface Vector {
  /** The document and section it was published in. */
  readonly origin: string
  readonly algorithm: Algorithm
  readonly jwk: JWK
  readonly token: string
  readonly payload: string
  /** The codes of the two stages: a payload that is no JSON object is no token, however signed. */
  readonly credential: string
  readonly signature: string
}

const VECTORS = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.json'))
  .map((name): Vector => JSON.parse(readFileSync(`${import.meta.dirname}/${name}`, 'utf8')))

const keyOf = async ({ jwk, algorithm }: Vector) =>
  (await importJWK(jwk, algorithm)) as VerificationKey['key']

const verified = async (vector: Vector, token: string) => {
  const key = await keyOf(vector)
  return signature.run(
    {
      issuer: issuerOf(),
      credential: credentialOf({ token, algorithm: vector.algorithm }),
      remembered: undefined,
    },
    { keys: { find: () => ok({ key }) } },
  )
}

const presented = ({ token }: Vector) =>
  credential.run(
    {
      request: requestTo(`${RESOURCE}/x`, { headers: { authorization: `Bearer ${token}` } }),
      policy: policyOf(),
      route: routeOf('GET /x'),
      address: addressOf(`${RESOURCE}/x`),
    },
    { tokens: noTokens },
  )

it('has the published examples', () => {
  expect(VECTORS.map(({ origin }) => origin.slice(0, 21)).sort()).toEqual([
    'RFC 7515 Appendix A.2',
    'RFC 7515 Appendix A.3',
    'RFC 8037 Appendix A.4',
  ])
})

describe.each(VECTORS)('$origin', (vector) => {
  it('is signed as published', async () => {
    const { payload } = await compactVerify(vector.token, await keyOf(vector))
    expect(new TextDecoder().decode(payload)).toBe(vector.payload)
  })

  it('is read and verified by the stages', async () => {
    expect(codeOf(await presented(vector))).toBe(vector.credential)
    const outcome = await verified(vector, vector.token)
    expect(codeOf(outcome)).toBe(vector.signature)
    if (vector.signature === 'ok') {
      expect(outcome).toMatchObject({ value: { token: { claims: JSON.parse(vector.payload) } } })
    }
  })

  it('does not verify with another example’s key', async () => {
    for (const other of VECTORS.filter(({ origin }) => origin !== vector.origin)) {
      const mixed = { ...vector, jwk: other.jwk, algorithm: other.algorithm }
      expect(codeOf(await verified(mixed, vector.token))).toBe('signature_invalid')
    }
  })
})
