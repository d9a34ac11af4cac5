import { importJWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { FORBIDDEN_TYPES } from '../../src/gate/base/jws.ts'
import { ok } from '../../src/gate/base/result.ts'
import type { VerificationKey } from '../../src/gate/model/token.ts'
import { PROFILE_NAMES, PROFILES, type Profile } from '../../src/gate/policy/keys/profiles.ts'
import { showPolicy } from '../../src/gate/policy/show.ts'
import { NOW } from '../kit/facts.ts'
import { ISSUER_TOKENS, type IssuerToken, issuerEntries, mintLike } from '../kit/issuer-tokens.ts'
import { startLine } from '../kit/line.ts'
import { createKey } from '../kit/signing.ts'
import { mistakes, policy } from './support.ts'

const key = await createKey('RS256')
const imported = (await importJWK(key.jwk, 'RS256')) as VerificationKey['key']
const find = () => ok({ key: imported, kid: key.kid })

const ROUTES = [
  { match: 'GET /any', scopes: [] },
  { match: 'GET /client', scopes: [], audiences: ['1example23456789'] },
  { match: 'GET /elsewhere', scopes: [], audiences: ['urn:other'] },
]

/** Policies by what they are made of: most tests need the same ones. */
const policies = new Map<string, ReturnType<typeof policy>>()
const policyWith = (name: string, changes: object = {}) => {
  const key = JSON.stringify([name, changes])
  const made =
    policies.get(key) ??
    policy({ ISSUERS: { [name]: { ...issuerEntries()[name], ...changes } }, ROUTES })
  policies.set(key, made)
  return made
}

const ask = async (
  name: string,
  token: IssuerToken,
  changes: {
    readonly entry?: object
    readonly path?: string
    readonly payload?: Readonly<Record<string, unknown>>
    readonly header?: Readonly<Record<string, unknown>>
  } = {},
) => {
  const { entry, path = '/any', payload, header } = changes
  const line = startLine({ keys: { find } })
  const changed = { ...token, header: { ...token.header, ...header } }
  const minted = await mintLike(changed, key, NOW, payload)
  const { code, known } = await line.ask(policyWith(name, entry), path, minted)
  expect(line.errors).toEqual([])
  return { code: code === 'passed' ? 'ok' : code, known }
}

const codeOf = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).code

const tokenOf = (name: string, fits: (token: IssuerToken) => boolean): IssuerToken => {
  const found = ISSUER_TOKENS.find((one) => one.name === name)?.tokens.find(fits)
  if (!found) throw new Error(`no such token of ${name}`)
  return found
}

/** A token that is bound to a key is refused last, without a proof. */
const good = (name: string) => tokenOf(name, ({ code }) => code === 'ok' || code === 'token_bound')

it('every profile has tokens in the shape of its issuer', () => {
  const shown = new Set(ISSUER_TOKENS.map(({ profile }) => profile))
  expect([...shown].sort()).toEqual([...PROFILE_NAMES].sort())
})

describe.each(ISSUER_TOKENS)('a token of $name', ({ name, tokens }) => {
  it.each(tokens)('$name: $code', async (token) => {
    const { code, known } = await ask(name, token)
    expect(code).toBe(token.code)
    if (!token.identity) return
    const { agent, access } = known
    expect({
      agentId: agent?.id,
      clientId: access?.clientId,
      scope: access?.scopes.join(' '),
      workflowId: agent?.workflowId,
    }).toEqual(token.identity)
    expect(agent?.name).toBe(`${name}/${token.identity.agentId}`)
  })

  it.each(['nonce', 'at_hash', 'c_hash'])('with %s is taken for an ID token', async (claim) => {
    expect(await codeOf(name, good(name), { payload: { [claim]: 'x' } })).toBe('id_token')
  })

  it.each([...FORBIDDEN_TYPES])('with header type %s is refused', async (typ) => {
    expect(await codeOf(name, good(name), { header: { typ } })).toBe('type_forbidden')
  })
})

const FIVE = PROFILE_NAMES.filter((name) => PROFILES[name].clientRequired)

describe.each(FIVE)('profile %s', (name) => {
  const profile: Profile = PROFILES[name]

  it('takes no token that names no client, whatever its entry says', async () => {
    const entry = { required_claims: [], agent_id: 'sub' }
    const nobody = Object.fromEntries(profile.clientId.map(([claim = '']) => [claim, undefined]))
    // Where the client is the audience, the audience is what is missing.
    const code = profile.trustDomain
      ? // Such a token is of nobody at all.
        'token_malformed'
      : profile.audienceClaim === 'aud'
        ? 'claim_missing'
        : 'audience_mismatch'
    expect(await codeOf(name, good(name), { entry, payload: nobody })).toBe(code)
    expect(await codeOf(name, good(name), { entry })).toBe('ok')
  })

  it.each(profile.requiredClaims.filter((claim) => !['iss', 'exp', 'iat'].includes(claim)))(
    'takes no token without %s',
    async (claim) => {
      const code = await codeOf(name, good(name), { payload: { [claim]: undefined } })
      const expected = claim === profile.audienceClaim ? 'audience_mismatch' : 'claim_missing'
      expect(code).toBe(profile.trustDomain && claim === 'sub' ? 'token_malformed' : expected)
    },
  )

  it('can be replaced part by part, but for its rules', async () => {
    const entry = {
      agent_id: 'sub',
      scope: 'other',
      typ: ['at+jwt'],
      max_lifetime: '1m',
      required_claims: ['extra'],
    }
    const header = { typ: 'at+jwt' }
    const payload = { exp: NOW + 60, extra: 1, other: 'a b' }
    const { code, known } = await ask(name, good(name), { entry, header, payload })
    expect(code).toBe('ok')
    expect(known.agent?.id).toBe(good(name).payload.sub)
    expect(known.access?.scopes).toEqual(['a', 'b'])
    const without = async (change: object) =>
      codeOf(name, good(name), { entry, header, payload, ...change })
    expect(await without({ payload: { ...payload, extra: undefined } })).toBe('claim_missing')
    expect(await without({ payload: { ...payload, exp: NOW + 61 } })).toBe('token_lifetime')
    expect(await without({ header: { typ: 'JWT' } })).toBe('type_not_accepted')
  })
})

describe('claims of a profile', () => {
  it.each([
    ['keycloak', { typ: 'Bearer' }, 'Bearer', 'ok'],
    ['keycloak', { typ: ['Bearer', 'ID'] }, 'ID', 'claim_rejected'],
    ['keycloak', { typ: { pattern: '.*' } }, 'ID', 'claim_rejected'],
    ['keycloak', { azp: 'planner' }, 'Bearer', 'ok'],
    ['keycloak', { azp: 'planner' }, 'ID', 'claim_rejected'],
    ['keycloak', { azp: 'other' }, 'Bearer', 'claim_rejected'],
    ['keycloak', {}, 'DPoP', 'ok'],
    ['keycloak', {}, 'bearer', 'claim_rejected'],
    ['keycloak', {}, null, 'claim_rejected'],
  ])('%s with claims %j and typ %j: %s', async (name, claims, typ, code) => {
    expect(await codeOf(name, good(name), { entry: { claims }, payload: { typ } })).toBe(code)
  })

  it.each([
    [{ token_use: ['access', 'id'] }, 'id', 'claim_rejected'],
    [{ token_use: ['access', 'id'] }, 'access', 'ok'],
  ])('cognito with claims %j and token_use %j: %s', async (claims, token_use, code) => {
    const asked = { entry: { claims }, payload: { token_use } }
    expect(await codeOf('cognito', good('cognito'), asked)).toBe(code)
  })

  it('are shown among those of the entry, and the profile by its name', () => {
    const { issuers } = showPolicy(policyWith('keycloak', { claims: { tenant: 'blue' } }))
    expect(issuers.keycloak).toMatchObject({
      profile: 'keycloak',
      claims: { typ: ['Bearer', 'DPoP'], tenant: 'blue' },
    })
  })
})

describe('audiences of cognito', () => {
  const token = good('cognito')

  it('must be written', () => {
    const entry = { ...issuerEntries().cognito, audiences: undefined }
    const { audiences: _, ...rest } = entry
    expect(mistakes({ ISSUERS: { cognito: rest }, ROUTES })).toEqual([
      expect.stringMatching(/^ISSUERS\.cognito\.audiences: is required with profile `cognito`/),
    ])
    // Not even where every rule has its own.
    const routes = ROUTES.filter(({ audiences }) => audiences)
    expect(mistakes({ ISSUERS: { cognito: rest }, ROUTES: routes })).toHaveLength(1)
  })

  it.each([
    ['/any', {}, 'ok'],
    ['/client', {}, 'ok'],
    ['/elsewhere', {}, 'audience_mismatch'],
    ['/elsewhere', { client_id: 'urn:other' }, 'ok'],
    ['/any', { client_id: 'urn:other' }, 'audience_mismatch'],
    ['/any', { client_id: ['1example23456789'] }, 'audience_mismatch'],
    ['/any', { client_id: '1example23456789/' }, 'audience_mismatch'],
    ['/any', { client_id: null }, 'audience_mismatch'],
    ['/any', { aud: '1example23456789' }, 'audience_mismatch'],
    ['/any', { aud: ['https://api.example.com/'] }, 'ok'],
    ['/any', { aud: null }, 'audience_mismatch'],
    ['/any', { aud: [] }, 'audience_mismatch'],
    ['/elsewhere', { client_id: 'urn:other', aud: 'urn:other' }, 'audience_mismatch'],
  ])('on %s with %j: %s', async (path, payload, code) => {
    expect(await codeOf('cognito', token, { path, payload })).toBe(code)
  })

  it('are compared exactly, slashes and all', async () => {
    const entry = { audiences: ['https://client.example.com'] }
    const payload = { client_id: 'https://client.example.com/' }
    expect(await codeOf('cognito', token, { entry, payload })).toBe('audience_mismatch')
  })
})
