import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { importJWK, type JWK, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { chain } from '../../src/gate/base/chain.ts'
import { isExactText } from '../../src/gate/base/json.ts'
import { LIMITS } from '../../src/gate/base/limits.ts'
import { ok } from '../../src/gate/base/result.ts'
import { claims } from '../../src/gate/guard/stages/claims.ts'
import { credential } from '../../src/gate/guard/stages/credential.ts'
import { issuer } from '../../src/gate/guard/stages/issuer.ts'
import type { Routed } from '../../src/gate/guard/stages/route.ts'
import { signature } from '../../src/gate/guard/stages/signature.ts'
import type { VerificationKey } from '../../src/gate/model/token.ts'
import { PROFILES } from '../../src/gate/policy/keys/profiles.ts'
import {
  addressOf,
  gateOf,
  ISSUER,
  issuerOf,
  noTokens,
  policyOf,
  RESOURCE,
  requestTo,
  routeOf,
} from '../kit/facts.ts'
import { tries } from '../kit/property.ts'
import {
  type Case,
  cases,
  GOOD_CLAIMS,
  GOOD_HEADER,
  INSTANT,
  nested,
  same,
  TOLERANCE,
  tokenOf,
} from './token-cases.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = (await importJWK(
  publicKey.export({ format: 'jwk' }) as JWK,
  'ES256',
)) as VerificationKey['key']

const { maxLifetime, requiredClaims, types } = PROFILES.rfc9068

const LINE = chain<
  Pick<Routed, 'route' | 'address'> & { request: Request; policy: typeof POLICY }
>()
  .and(credential)
  .and(issuer)
  .and(signature)
  .and(claims)

const POLICY = policyOf([], {
  gate: gateOf({ clockTolerance: TOLERANCE }),
  issuers: [
    issuerOf({ algorithms: ['ES256'], types: new Set(types), maxLifetime, requiredClaims }),
  ],
})
const ROUTE = routeOf('GET /x')
const URL_TEXT = `${RESOURCE}/x`
const ADDRESS = addressOf(URL_TEXT)
const PORTS = {
  clock: { now: () => INSTANT },
  keys: { find: () => ok({ key, kid: 'key-1' }) },
  tokens: noTokens,
}

/** The code the line refuses with, `ok` where it passes. */
const byLine = async (token: string): Promise<string> => {
  const request = requestTo(URL_TEXT, { headers: { authorization: `Bearer ${token}` } })
  const run = await LINE.run({ request, policy: POLICY, route: ROUTE, address: ADDRESS }, PORTS, {
    now: () => INSTANT,
    onError: (stage, error) => {
      throw new Error(stage, { cause: error })
    },
  })
  return run.outcome === 'denied' ? run.denial.code : run.outcome === 'passed' ? 'ok' : 'ended'
}

/** What jose refuses with, `ok` where it takes the token, told all that it can be told. */
const byJose = async (token: string): Promise<string> => {
  try {
    await jwtVerify(token, key, {
      algorithms: ['ES256'],
      issuer: ISSUER,
      // One resource in its two spellings (RFC 3986 §6.2.3).
      audience: [RESOURCE, `${RESOURCE}/`],
      typ: types[0],
      clockTolerance: TOLERANCE,
      currentDate: new Date(INSTANT),
      requiredClaims: [...requiredClaims],
      maxTokenAge: maxLifetime,
    })
    return 'ok'
  } catch (error) {
    return error instanceof Error ? error.message : 'refused'
  }
}

interface Stricter {
  readonly why: string
  /** Whether the case is one the rule is for, read in the plainest way. */
  readonly isFor: (given: Case) => boolean
}

const claimOf = (given: Case, name: string): unknown => JSON.parse(given.claims[name] ?? 'null')
const numberOf = (given: Case, name: string): number => Number(given.claims[name])

/** Every rule by which the gate refuses what jose would take. */
const STRICTER: Readonly<Record<string, Stricter>> = {
  token_malformed: {
    why: 'one token has one spelling and one reading: no padding, no unused bits, no member twice, no __proto__, bounded depth; a kid is visible ASCII of bounded length',
    isFor: ({ wire, again, header, claims }) =>
      wire !== same ||
      again !== '' ||
      header.kid !== GOOD_HEADER.kid ||
      claims.other === nested(LIMITS.jsonDepth),
  },
  token_too_long: {
    why: 'nothing of a token over the bound is decoded',
    isFor: (given) => tokenOf(given, privateKey).length > LIMITS.tokenLength,
  },
  header_forbidden: {
    why: 'no token brings its own key or an extension that changes what is signed',
    isFor: ({ header }) => ['jwk', 'jku', 'crit', 'b64'].some((name) => name in header),
  },
  time_malformed: {
    why: 'a number that no double is, such as 1e400, is another one to other readers',
    isFor: ({ claims }) =>
      ['exp', 'iat', 'nbf'].some((name) => {
        const text = claims[name] ?? ''
        return /^-?\d/.test(text) && !isExactText(text)
      }),
  },
  token_lifetime: {
    why: 'maxTokenAge bounds the age so far, not the life the token was issued for',
    isFor: (given) => numberOf(given, 'exp') - numberOf(given, 'iat') > maxLifetime,
  },
  audience_mismatch: {
    why: 'RFC 7519 §4.1.3: every member of an aud array is a string',
    isFor: (given) => [claimOf(given, 'aud')].flat().some((member) => typeof member !== 'string'),
  },
  id_token: {
    why: 'RFC 8725 §3.12: an ID token is no access token',
    isFor: ({ claims }) => 'nonce' in claims || 'at_hash' in claims,
  },
  claim_malformed: {
    why: 'identities are non-empty bounded text that is safe in a header, scopes are as in RFC 6749 §3.3',
    isFor: (given) =>
      ['sub', 'client_id', 'jti', 'azp', 'scope'].some(
        (name) => (given.claims[name] ?? '"x"') !== (GOOD_CLAIMS as Case['claims'])[name],
      ),
  },
}

/** What few tries meet: changes of a good token. */
const RARE = [
  { claims: { exp: '1e400' } },
  { claims: { aud: JSON.stringify([RESOURCE, 1]) } },
  { header: { typ: '"dpop+jwt"' } },
  { header: { typ: '"x/at+jwt"' } },
].map(
  ({ header, claims }): Case => ({
    header: { ...GOOD_HEADER, ...header },
    claims: { ...GOOD_CLAIMS, ...claims },
    again: '',
    wire: same,
  }),
)

describe('against jwtVerify of jose', () => {
  it('is never laxer, and stricter only by a named rule', async () => {
    const seen = { accepted: 0, refused: 0 }
    const stricter = new Map(Object.keys(STRICTER).map((code) => [code, 0]))
    const refusals = new Set<string>()
    await fc.assert(
      fc.asyncProperty(cases, async (given) => {
        const token = tokenOf(given, privateKey)
        const [line, jose] = await Promise.all([byLine(token), byJose(token)])
        if (jose !== 'ok') {
          expect(line, `jose: ${jose}`).not.toBe('ok')
          expect(line).not.toBe('ended')
          refusals.add(line)
          seen.refused++
        } else if (line === 'ok') {
          seen.accepted++
        } else {
          const rule = STRICTER[line]
          expect(rule?.isFor(given), `${line} is not for this`).toBe(true)
          stricter.set(line, (stricter.get(line) ?? 0) + 1)
        }
      }),
      { ...tries(200), examples: RARE.map((given) => [given]) },
    )
    expect([...stricter].filter(([, count]) => count === 0)).toEqual([])
    expect(seen.accepted).toBeGreaterThan(20)
    expect(seen.refused).toBeGreaterThan(20)
    expect([...refusals]).toEqual(
      expect.arrayContaining([
        'token_malformed',
        'algorithm_forbidden',
        'algorithm_not_accepted',
        'type_forbidden',
        'type_not_accepted',
        'issuer_unknown',
        'signature_invalid',
        'time_malformed',
        'token_expired',
        'token_not_yet_valid',
        'token_issued_in_future',
        'token_lifetime',
        'audience_mismatch',
        'claim_missing',
      ]),
    )
  })
})
