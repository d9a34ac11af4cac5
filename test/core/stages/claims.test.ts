import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { claims } from '../../../src/gate/guard/stages/claims.ts'
import type { Issuer } from '../../../src/gate/model/issuer.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import type { VerifiedToken } from '../../../src/gate/model/token.ts'
import {
  clock,
  codeOf,
  gateOf,
  ISSUER,
  issuerOf,
  NOW,
  policyOf,
  RESOURCE,
  routeOf,
} from '../../kit/facts.ts'

const CLAIMS = {
  iss: ISSUER,
  aud: RESOURCE,
  sub: 'alice',
  client_id: 'app',
  jti: 'token-1',
  scope: 'docs:read docs:write',
  iat: NOW - 60,
  exp: NOW + 600,
}

const LONGEST = 'x'.repeat(LIMITS.revocationValue)

interface Rules {
  readonly issuer?: Partial<Issuer>
  readonly route?: Partial<Route>
  readonly tolerance?: number
}

const run = async (
  changes: object | string,
  { issuer = {}, route = {}, tolerance = 5 }: Rules = {},
) => {
  const text = typeof changes === 'string' ? changes : JSON.stringify({ ...CLAIMS, ...changes })
  const entry = issuerOf(issuer)
  const token = { claims: JSON.parse(text), issuer: entry, key: { kid: 'key-1' } }
  return claims.run(
    {
      policy: policyOf([], { gate: gateOf({ clockTolerance: tolerance }) }),
      route: routeOf('GET /x', route),
      issuer: entry,
      token: token as unknown as VerifiedToken,
    },
    { clock },
  )
}

const CLIENTS = { audienceClaim: 'client_id', audiences: ['c'] } as const

const isAcme = {
  path: ['org', 'name'],
  expected: 'acme',
  accepts: (value: unknown) => value === 'acme',
}

describe('claims', () => {
  it.each<[string, object, Rules?]>([
    ['ok', {}],
    // The tolerance is 5 seconds.
    ['ok', { exp: NOW + 1 }],
    ['ok', { exp: NOW - 4 }],
    ['ok', { exp: NOW - 4.5 }],
    ['token_expired', { exp: NOW - 5 }],
    ['token_expired', { exp: NOW - 6 }],
    ['token_expired', { exp: 0 }],
    ['token_expired', { exp: -1 }],
    ['ok', { exp: NOW, iat: NOW - 60 }, { tolerance: 1 }],
    ['token_expired', { exp: NOW - 4 }, { tolerance: 0 }],
    ['token_lifetime', {}, { issuer: { maxLifetime: 659 } }],
    ['ok', {}, { issuer: { maxLifetime: 660 } }],
    ['ok', { nbf: NOW + 5 }],
    ['token_not_yet_valid', { nbf: NOW + 6 }],
    ['ok', { nbf: 0 }],
    ['ok', { iat: NOW + 5 }],
    ['token_issued_in_future', { iat: NOW + 6 }],
    ['token_issued_in_future', { iat: 1e300, exp: 1e300 }],
    ['ok', { iat: NOW - 300, exp: NOW + 600 }],
    ['token_lifetime', { iat: NOW - 301, exp: NOW + 600 }],
    ['token_lifetime', { exp: 1e300 }],
    ['token_lifetime', { iat: -1e300 }],
    ['ok', {}, { route: { maxLifetime: 660 } }],
    ['token_lifetime', {}, { route: { maxLifetime: 659 } }],
    ['token_lifetime', { iat: NOW - 301 }, { route: { maxLifetime: 100_000 } }],
    // Milliseconds where seconds belong.
    ['token_issued_in_future', { iat: NOW * 1000, exp: (NOW + 600) * 1000 }],
    ['time_malformed', { exp: undefined }],
    ['time_malformed', { iat: undefined }],
    ['time_malformed', { exp: String(NOW + 600) }],
    ['time_malformed', { exp: null }],
    ['time_malformed', { exp: [NOW + 600] }],
    ['time_malformed', { exp: true }],
    ['time_malformed', { iat: '0' }],
    ['time_malformed', { iat: null }],
    ['time_malformed', { nbf: null }],
    ['time_malformed', { nbf: 'soon' }],
    ['ok', { aud: [RESOURCE] }],
    ['ok', { aud: ['https://x.example', RESOURCE] }],
    ['ok', { aud: `${RESOURCE}/` }],
    ['audience_mismatch', { aud: undefined }],
    ['audience_mismatch', { aud: null }],
    ['audience_mismatch', { aud: '' }],
    ['audience_mismatch', { aud: [] }],
    ['audience_mismatch', { aud: [[RESOURCE]] }],
    ['audience_mismatch', { aud: [RESOURCE, 1] }],
    ['audience_mismatch', { aud: { [RESOURCE]: true } }],
    ['audience_mismatch', { aud: 'https://api.example.co' }],
    ['audience_mismatch', { aud: `${RESOURCE}.evil.example` }],
    ['audience_mismatch', { aud: `${RESOURCE}//` }],
    ['audience_mismatch', { aud: `${RESOURCE}/mcp` }],
    ['audience_mismatch', { aud: `${RESOURCE} x` }],
    ['audience_mismatch', { aud: 'https://API.example.com' }],
    ['ok', { aud: `${RESOURCE}/mcp` }, { route: { resource: `${RESOURCE}/mcp` } }],
    ['audience_mismatch', { aud: `${RESOURCE}/mcp/` }, { route: { resource: `${RESOURCE}/mcp` } }],
    ['audience_mismatch', {}, { route: { resource: `${RESOURCE}/mcp` } }],
    ['ok', { aud: 'api' }, { issuer: { audiences: ['api'] } }],
    ['audience_mismatch', { aud: 'api/' }, { issuer: { audiences: ['api'] } }],
    ['audience_mismatch', {}, { issuer: { audiences: ['api'] } }],
    [
      'audience_mismatch',
      { aud: 'api' },
      { issuer: { audiences: ['api'] }, route: { audiences: ['b'] } },
    ],
    ['ok', { aud: 'b' }, { issuer: { audiences: ['api'] }, route: { audiences: ['a', 'b'] } }],
    ['ok', { client_id: 'c' }, { issuer: CLIENTS }],
    ['ok', { client_id: 'c', aud: undefined }, { issuer: CLIENTS }],
    ['ok', { client_id: 'c', aud: [`${RESOURCE}/`] }, { issuer: CLIENTS }],
    ['audience_mismatch', { client_id: 'c', aud: 'https://x.example' }, { issuer: CLIENTS }],
    ['audience_mismatch', { client_id: 'c', aud: 'c' }, { issuer: CLIENTS }],
    ['audience_mismatch', { client_id: 'c', aud: null }, { issuer: CLIENTS }],
    ['audience_mismatch', { client_id: 'd' }, { issuer: CLIENTS }],
    ['audience_mismatch', { client_id: 'C' }, { issuer: CLIENTS }],
    ['audience_mismatch', { client_id: ['c'] }, { issuer: CLIENTS }],
    ['audience_mismatch', { client_id: undefined, aud: 'c' }, { issuer: CLIENTS }],
    // A resource never stands in for a client.
    ['audience_mismatch', { client_id: RESOURCE }, { issuer: CLIENTS }],
    ['audience_mismatch', { client_id: RESOURCE }, { issuer: { audienceClaim: 'client_id' } }],
    ['ok', { client_id: 'd' }, { issuer: CLIENTS, route: { audiences: ['d'] } }],
    ['audience_mismatch', { client_id: 'c' }, { issuer: CLIENTS, route: { audiences: ['d'] } }],
    ['claim_missing', { jti: undefined }],
    ['claim_missing', { client_id: undefined }, { issuer: { clientRequired: true } }],
    ['ok', { client_id: undefined, azp: 'a' }, { issuer: { clientRequired: true } }],
    [
      'claim_missing',
      { azp: 'a' },
      { issuer: { clientRequired: true, clientId: [['cid'], ['toString']] } },
    ],
    ['claim_malformed', { cid: null }, { issuer: { clientRequired: true, clientId: [['cid']] } }],
    ['claim_malformed', { cid: '', azp: 'a' }, { issuer: { clientId: [['cid'], ['azp']] } }],
    ['claim_missing', {}, { issuer: { requiredClaims: ['toString'] } }],
    ['ok', { jti: undefined }, { issuer: { requiredClaims: [] } }],
    [
      'claim_missing',
      { jti: undefined },
      { issuer: { requiredClaims: [] }, route: { singleUse: true } },
    ],
    ['id_token', { nonce: 'n' }],
    ['id_token', { at_hash: 'h' }],
    ['id_token', { c_hash: null }],
    ['claim_malformed', { jti: null }],
    ['claim_malformed', { jti: '' }],
    ['claim_malformed', { jti: 1 }],
    ['claim_malformed', { sub: '' }],
    ['claim_malformed', { sub: ['alice'] }],
    ['claim_malformed', { sub: 'a\r\nX-Agent-Id: root' }],
    ['claim_malformed', { sub: '\ud800' }],
    ['claim_malformed', { client_id: 1 }],
    ['claim_malformed', { client_id: null, azp: 'app' }],
    ['claim_malformed', { client_id: '', azp: 'app' }],
    ['claim_malformed', { client_id: undefined, azp: {} }],
    ['ok', { client_id: undefined, azp: 'app' }],
    ['ok', { sub: LONGEST, client_id: LONGEST, jti: LONGEST }],
    ['claim_malformed', { sub: `${LONGEST}x` }],
    ['claim_malformed', { client_id: `${LONGEST}x` }],
    ['claim_malformed', { client_id: undefined, azp: `${LONGEST}x` }],
    ['claim_malformed', { jti: `${LONGEST}x` }],
    ['claim_malformed', { scope: 1 }],
    ['claim_malformed', { scope: null }],
    ['claim_malformed', { scope: {} }],
    ['claim_malformed', { scope: ' a' }],
    ['claim_malformed', { scope: 'a  b' }],
    ['claim_malformed', { scope: 'a\tb' }],
    ['claim_malformed', { scope: 'a"b' }],
    ['claim_malformed', { scope: ['a b'] }],
    ['claim_malformed', { scope: ['a', 1] }],
    ['claim_malformed', { scope: [['a']] }],
    ['ok', { org: { name: 'acme' } }, { issuer: { claims: [isAcme] } }],
    ['claim_rejected', { org: { name: 'other' } }, { issuer: { claims: [isAcme] } }],
    ['claim_rejected', {}, { issuer: { claims: [isAcme] } }],
    ['ok', {}, { route: { forwardClaims: [{ header: 'X-Org', path: ['org'] }] } }],
    ['ok', { org: 'acme' }, { route: { forwardClaims: [{ header: 'X-Org', path: ['org'] }] } }],
    [
      'claim_not_encodable',
      { org: {} },
      { route: { forwardClaims: [{ header: 'X-Org', path: ['org'] }] } },
    ],
    [
      'claim_not_encodable',
      { org: { name: 'a\nb' } },
      { route: { forwardClaims: [{ header: 'X-Org', path: ['org', 'name'] }] } },
    ],
    ['claim_rejected', { org: [{ name: 'acme' }] }, { route: { claims: [isAcme] } }],
    [
      'claim_rejected',
      { org: { name: 'acme' } },
      { issuer: { claims: [isAcme] }, route: { claims: [{ ...isAcme, path: ['x'] }] } },
    ],
  ])('%s for %j (%j)', async (code, changes, rules) => {
    expect(codeOf(await run(changes, rules))).toBe(code)
  })

  it('judges in one order: the first rule that does not hold gives the code', async () => {
    const good = { exp: NOW + 600, nbf: 0, aud: RESOURCE }
    const all = { exp: 0, nbf: NOW + 60, aud: 'x', nonce: 'n', jti: undefined }
    expect(codeOf(await run(all))).toBe('token_expired')
    expect(codeOf(await run({ ...all, exp: NOW + 600 }))).toBe('token_not_yet_valid')
    expect(codeOf(await run({ ...all, exp: NOW + 600, nbf: 0 }))).toBe('audience_mismatch')
    expect(codeOf(await run({ ...all, ...good }))).toBe('id_token')
    expect(codeOf(await run({ ...all, ...good, nonce: undefined }))).toBe('claim_missing')
  })

  it.each<[string, object, Rules | undefined, object]>([
    ['token_expired', { exp: NOW - 6 }, undefined, { exp: NOW - 6, now: NOW, tolerance: 5 }],
    [
      'token_lifetime',
      { exp: NOW + 841 },
      { route: { maxLifetime: 901 } },
      { exp: NOW + 841, iat: NOW - 60, max_lifetime: 900 },
    ],
    [
      'audience_mismatch',
      { aud: 'urn:x' },
      { issuer: { audiences: ['urn:a', 'urn:b'] } },
      { aud: 'urn:x', accepted: ['urn:a', 'urn:b'] },
    ],
    [
      'audience_mismatch',
      { client_id: 'c', aud: 'urn:x' },
      { issuer: CLIENTS },
      { aud: 'urn:x', client_id: 'c', accepted: ['c'], resource: RESOURCE },
    ],
    [
      'claim_missing',
      {},
      { issuer: { requiredClaims: ['jti', 'tenant', 'cnf'] } },
      { claims: ['tenant', 'cnf'] },
    ],
    [
      'claim_missing',
      { jti: undefined },
      { issuer: { requiredClaims: ['jti'] }, route: { singleUse: true } },
      { claims: ['jti'] },
    ],
    [
      'claim_missing',
      { client_id: undefined },
      {
        issuer: { clientRequired: true, clientId: [['azp'], ['x', 'y']], requiredClaims: ['azp'] },
      },
      { claims: ['azp', 'azp or x.y'] },
    ],
    [
      'claim_rejected',
      { org: { name: 'confidential-1' }, x: 'confidential-2' },
      { issuer: { claims: [isAcme] }, route: { claims: [{ ...isAcme, path: ['x'] }] } },
      { claims: ['org.name', 'x'] },
    ],
  ])(
    'says of %s what it saw, and no claim that may be anything',
    async (code, changes, rules, seen) => {
      const outcome = await run(changes, rules)
      expect(outcome).toMatchObject({ ok: false, reason: { code, detail: seen } })
      expect(JSON.stringify(outcome)).not.toContain('confidential')
    },
  )

  it('gives the typed claims', async () => {
    expect(await run({})).toEqual({
      ok: true,
      value: {
        access: {
          claims: CLAIMS,
          issuer: ISSUER,
          entry: issuerOf(),
          subject: 'alice',
          clientId: 'app',
          id: 'token-1',
          kid: 'key-1',
          issuedAt: NOW - 60,
          expires: NOW + 600,
          scopes: ['docs:read', 'docs:write'],
        },
      },
      within: { first: NOW - 65, last: NOW + 604 },
    })
  })

  it.each<[object, Partial<Issuer>, string | undefined]>([
    [{}, {}, 'app'],
    [{ azp: 'a' }, {}, 'app'],
    [{ azp: 'a' }, { clientId: [['azp'], ['client_id']] }, 'a'],
    [{ cid: 'c' }, { clientId: [['cid']] }, 'c'],
    [{}, { clientId: [['cid']] }, undefined],
    [{ app: { id: 'x' } }, { clientId: [['app', 'id']] }, 'x'],
  ])('reads the client of %j by %j: %s', async (changes, issuer, clientId) => {
    const outcome = await run(changes, { issuer })
    expect(outcome).toMatchObject({ ok: true })
    expect(outcome.ok && 'value' in outcome && outcome.value.access?.clientId).toBe(clientId)
  })

  it.each<[object, Partial<Issuer>, readonly string[]]>([
    [{ scope: undefined }, {}, []],
    [{ scope: '' }, {}, []],
    [{ scope: 'a a b' }, {}, ['a', 'b']],
    [{ scope: ['a', 'b'] }, {}, ['a', 'b']],
    [{ scope: 'a', roles: ['b', 'a'] }, { scope: [['scope'], ['roles']] }, ['a', 'b']],
    [{ scope: 'a', roles: ['b'] }, { scope: [['scope']], scopeElse: [['roles']] }, ['a']],
    [{ scope: '', roles: ['b'] }, { scope: [['scope']], scopeElse: [['roles']] }, []],
    [{ scope: undefined, roles: ['b'] }, { scope: [['scope']], scopeElse: [['roles']] }, ['b']],
    [{ scope: 'a edgewarden:revoke' }, {}, ['a']],
    [{ scope: 'a edgewarden:revoke' }, { admin: 'own' }, ['a', 'edgewarden:revoke']],
    [{ scope: 'edgewarden' }, {}, ['edgewarden']],
  ])('reads the scopes of %j', async (changes, issuer, scopes) => {
    const outcome = await run(changes, { issuer })
    expect(outcome).toMatchObject({ value: { access: { scopes } } })
  })

  it('counts a JWT-SVID without iat as issued as early as its lifetime allows', async () => {
    const outcome = await run(
      { iat: undefined },
      { issuer: { trustDomain: true, maxLifetime: 900 } },
    )
    expect(outcome).toMatchObject({ value: { access: { issuedAt: NOW + 600 - 900 } } })
  })

  it('never reads an inherited claim', async () => {
    const { exp, ...rest } = CLAIMS
    const text = JSON.stringify(rest).replace('{', `{"__proto__":{"exp":${exp}},`)
    expect(codeOf(await run(text))).toBe('time_malformed')
  })
})
