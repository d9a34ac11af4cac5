import { generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { importJWK, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { ok } from '../../src/gate/base/result.ts'
import { createGuard, type Decision, GUARD } from '../../src/gate/guard/guard.ts'
import type { VerificationKey } from '../../src/gate/model/token.ts'
import { policy } from '../gate/policy/support.ts'
import {
  anyRooms,
  clock,
  ISSUER,
  NOW,
  noLimits,
  noReplays,
  noSessions,
  noSigning,
  noTokens,
  RESOURCE,
  requestTo,
} from '../kit/facts.ts'
import { tries } from '../kit/property.ts'
import { anyText, headersAround, url } from './hostile.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = (await importJWK(
  publicKey.export({ format: 'jwk' }) as JWK,
  'ES256',
)) as VerificationKey['key']

const POLICY = policy({
  ISSUERS: {
    acme: { issuer: ISSUER, agent_id: ['agent_id', 'client_id'], delegation: { max_depth: 3 } },
  },
  ROUTES: [
    { match: 'GET /docs/{id}', scopes: ['docs:read'] },
    { match: 'GET /crawl', scopes: [], agent_types: ['crawler'] },
    { match: 'POST /teams/{team}/*', scopes: ['team:{team}'] },
    { match: 'GET /open', access: 'public' },
  ],
})

const CLAIMS = {
  iss: ISSUER,
  aud: RESOURCE,
  sub: 'alice',
  client_id: 'app',
  jti: 'token-1',
  scope: 'docs:read team:red',
  iat: NOW - 60,
  exp: NOW + 600,
}
const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: 'key-1' }
const minted = (claims: object, header: object = HEADER): string => {
  const input = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const bytes = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${bytes.toString('base64url')}`
}
const GOOD = minted(CLAIMS)
const OTHER = minted({ ...CLAIMS, sub: 'mallory', jti: 'token-2' })
const DOCS = `${RESOURCE}/docs/7`

const CODES = new Set(
  GUARD.stages.flatMap((one) => one.denials.flatMap(({ rows }) => Object.keys(rows))),
)

interface Asked {
  readonly url?: string
  readonly authorization?: string
  readonly method?: string
  readonly host?: string
}

/** Headers that hold any text, also what `Headers` would not take. */
const headersOf = (given: Readonly<Record<string, string | undefined>>) => ({
  get: (name: string) => given[name.toLowerCase()] ?? null,
  has: (name: string) => given[name.toLowerCase()] !== undefined,
  keys: () => Object.keys(given).filter((name) => given[name] !== undefined),
})

/** Decides; whatever is asked, the answer is a decision that some stage declared. */
const decide = async ({
  url = DOCS,
  method = 'GET',
  ...given
}: Asked): Promise<Decision & { readonly reached: readonly string[] }> => {
  const request = Object.defineProperties(requestTo(url), {
    method: { value: method },
    headers: { value: headersOf({ ...given }) },
  })
  const errors: unknown[] = []
  const reached: string[] = []
  const decision = await createGuard(POLICY, {
    clock,
    tokens: noTokens,
    keys: { find: () => ok({ key, kid: 'key-1' }) },
    revocations: { lookup: async () => [] },
    limits: noLimits,
    replays: noReplays,
    signingKeys: noSigning,
    sessions: noSessions,
    bodies: anyRooms,
    onError: (...error) => void errors.push(error),
  })(request, { trace: ({ stage }) => void reached.push(stage) })
  expect(errors).toEqual([])
  expect(CODES).not.toContain('unavailable')
  expect(['passed', 'ended', 'denied']).toContain(decision.outcome)
  if (decision.outcome === 'denied') expect(CODES).toContain(decision.denial.code)
  return { ...decision, reached }
}

/** A signed token behind the scheme and nothing else: parts of both may come together to one of them. */
const isUntouched = (header: string) => [GOOD, OTHER].includes(header.replace(/^bearer +/i, ''))

describe('the line', () => {
  it('decides on any Authorization header, and passes none but an untouched token', async () => {
    const seen = { passed: 0, denied: 0 }
    const codes = new Set<string>()
    await fc.assert(
      fc.asyncProperty(headersAround(GOOD, OTHER), async (header) => {
        const decision = await decide({ authorization: header })
        expect(decision.outcome).toBe(isUntouched(header) ? 'passed' : 'denied')
        if (decision.outcome === 'denied') codes.add(decision.denial.code)
        seen[decision.outcome as keyof typeof seen]++
      }),
      tries(200),
    )
    expect(seen.passed).toBeGreaterThan(6)
    expect(seen.denied).toBeGreaterThan(60)
    expect([...codes]).toEqual(
      expect.arrayContaining([
        'credential_missing',
        'credential_malformed',
        'token_malformed',
        'signature_invalid',
      ]),
    )
  })

  it('decides on any address, method and host, and passes none without a token', async () => {
    const seen = { passed: 0, ended: 0, denied: 0 }
    const method = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('GET', 'GET', 'POST', 'OPTIONS', 'get') },
      { weight: 1, arbitrary: anyText },
    )
    const host = fc.oneof(
      { weight: 6, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constantFrom('api.example.com', 'api.example.com:443', 'x') },
      { weight: 1, arbitrary: anyText },
    )
    await fc.assert(
      fc.asyncProperty(url, method, host, fc.boolean(), async (url, method, host, sent) => {
        const decision = await decide({
          url,
          method,
          ...(host !== undefined && { host }),
          ...(sent && { authorization: `Bearer ${GOOD}` }),
        })
        seen[decision.outcome]++
        if (!sent) expect(decision.outcome).not.toBe('passed')
        if (decision.outcome === 'ended') expect(decision.known.route?.access).toBe('public')
        if (decision.outcome === 'passed') {
          expect(['GET /docs/{id}', 'POST /teams/{team}/*']).toContain(decision.known.route.name)
        }
      }),
      tries(200),
    )
    expect(seen.passed).toBeGreaterThan(2)
    expect(seen.ended).toBeGreaterThan(0)
    expect(seen.denied).toBeGreaterThan(60)
  })

  it('decides on any claims and header parameters that its issuer really signed', async () => {
    const seen = { passed: 0, denied: 0 }
    const stages = new Set<string>()
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 4 }),
      anyText,
      fc.constantFrom<unknown>({ sub: 'b' }, { sub: 'b', act: { sub: 'c' } }, { jkt: 'x' }, ''),
    )
    const claim = fc.tuple(
      fc.oneof(
        fc.constantFrom(...Object.keys(CLAIMS), 'act', 'cnf', 'may_act', 'agent_id', 'agent_type'),
        fc.constantFrom(
          'act',
          'cnf',
          'agent_id',
          'scope',
          'nbf',
          'azp',
          'workflow_id',
          '__proto__',
        ),
      ),
      value,
    )
    const parameter = fc.tuple(fc.constantFrom('typ', 'alg', 'kid', 'crit', 'jwk', 'x'), value)
    await fc.assert(
      fc.asyncProperty(
        fc.array(claim, { maxLength: 2 }),
        fc.oneof(
          { weight: 4, arbitrary: fc.constant([]) },
          { weight: 1, arbitrary: fc.array(parameter, { maxLength: 2 }) },
        ),
        fc.constantFrom('/docs/7', '/crawl', '/docs/8'),
        async (claims, header, path) => {
          const token = minted(
            { ...CLAIMS, ...Object.fromEntries(claims) },
            { ...HEADER, ...Object.fromEntries(header) },
          )
          const decision = await decide({
            url: RESOURCE + path,
            authorization: `Bearer ${token}`,
          })
          expect(decision.outcome).not.toBe('ended')
          seen[decision.outcome as keyof typeof seen]++
          stages.add(decision.reached.at(-1) ?? '')
        },
      ),
      tries(150),
    )
    expect(seen.passed).toBeGreaterThan(15)
    expect(seen.denied).toBeGreaterThan(35)
    expect([...stages]).toEqual(
      expect.arrayContaining([
        'credential',
        'claims',
        'possession',
        'delegation',
        'agent',
        'scope',
      ]),
    )
  })
})
