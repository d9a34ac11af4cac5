import { importJWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { ok } from '../../../src/gate/base/result.ts'
import type { VerificationKey } from '../../../src/gate/model/token.ts'
import { PROFILE_NAMES, PROFILES, type Profile } from '../../../src/gate/policy/keys/profiles.ts'
import { showPolicy } from '../../../src/gate/policy/show.ts'
import { NOW } from '../../kit/facts.ts'
import {
  ISSUER_TOKENS,
  type IssuerToken,
  issuerEntries,
  mintLike,
} from '../../kit/issuer-tokens.ts'
import { startLine } from '../../kit/line.ts'
import { createKey } from '../../kit/signing.ts'
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

type Payload = Readonly<Record<string, unknown>>

describe('claims of a profile and of the entry', () => {
  it.each<[string, object, Payload, string]>([
    ['keycloak', { typ: 'Bearer' }, { typ: 'Bearer' }, 'ok'],
    ['keycloak', { typ: ['Bearer', 'ID'] }, { typ: 'ID' }, 'claim_rejected'],
    ['keycloak', { typ: { pattern: '.*' } }, { typ: 'ID' }, 'claim_rejected'],
    ['keycloak', { azp: 'other' }, { typ: 'Bearer' }, 'claim_rejected'],
    ['keycloak', {}, { typ: 'DPoP' }, 'ok'],
    ['keycloak', {}, { typ: null }, 'claim_rejected'],
    ['cognito', { token_use: ['access', 'id'] }, { token_use: 'id' }, 'claim_rejected'],
    ['cognito', { token_use: ['access', 'id'] }, { token_use: 'access' }, 'ok'],
  ])('must both be met: %s with claims %j and %j is %s', async (name, claims, payload, code) => {
    expect(await codeOf(name, good(name), { entry: { claims }, payload })).toBe(code)
  })

  it('are shown together, and the profile by its name', () => {
    const { issuers } = showPolicy(policyWith('keycloak', { claims: { tenant: 'blue' } }))
    expect(issuers.keycloak).toMatchObject({
      profile: 'keycloak',
      claims: { typ: ['Bearer', 'DPoP'], tenant: 'blue' },
    })
  })
})

describe('audiences of cognito', () => {
  it.each<[string, Payload, string]>([
    ['/client', {}, 'ok'],
    ['/elsewhere', {}, 'audience_mismatch'],
    ['/elsewhere', { client_id: 'urn:other' }, 'ok'],
    ['/any', { client_id: ['1example23456789'] }, 'audience_mismatch'],
    ['/any', { client_id: '1example23456789/' }, 'audience_mismatch'],
    ['/any', { client_id: null }, 'audience_mismatch'],
    ['/any', { aud: '1example23456789' }, 'audience_mismatch'],
    ['/any', { aud: ['https://api.example.com/'] }, 'ok'],
    ['/any', { aud: [] }, 'audience_mismatch'],
    ['/elsewhere', { client_id: 'urn:other', aud: 'urn:other' }, 'audience_mismatch'],
  ])(
    'are ids of clients, exactly, beside the resource: on %s with %j: %s',
    async (path, payload, code) => {
      expect(await codeOf('cognito', good('cognito'), { path, payload })).toBe(code)
    },
  )

  it('must be written, also where every rule has its own', () => {
    const { audiences: _, ...cognito } = issuerEntries().cognito as { audiences?: unknown }
    const routes = ROUTES.filter(({ audiences }) => audiences)
    expect(mistakes({ ISSUERS: { cognito }, ROUTES: routes })).toHaveLength(1)
  })
})
