import { describe, expect, it } from 'vitest'
import { claimPath, claimPathText } from '../../../src/gate/model/claims.ts'
import { routesOf } from '../../../src/gate/policy/reading/rows.ts'
import { showPolicy } from '../../../src/gate/policy/show.ts'
import { CHAT, ENV, ITEM, parse, policy } from './support.ts'

const ACME = { issuer: 'https://auth.acme.example', agent_prefix: 'acme/' }
const BETA = { issuer: 'https://auth.beta.example', agent_prefix: 'beta/' }

const OPEN = { match: '* /open/*', access: 'public', origin: 'service:API', timeout: '1500ms' }

const TWO = {
  ISSUERS: { acme: { ...ACME, admin: 'own' }, beta: BETA },
  ROUTES: [
    CHAT,
    { ...ITEM, scopes: { any: ['items:read', 'items:{id}'] }, issuers: ['beta'] },
    { match: 'GET /v1/any', scopes: [], access: 'optional', issuers: ['acme'], mode: 'shadow' },
    OPEN,
  ],
  SCOPES: { 'chat:admin': ['chat:write', 'chat:read'] },
}

describe('showPolicy', () => {
  it('can be written as JSON and read as a policy again', () => {
    const made = policy(TWO)
    const { gate, issuers, routes, scopes } = JSON.parse(JSON.stringify(showPolicy(made)))
    const GATE_AGAIN = { ...gate, origin: 'https://unused.example.com' }
    const again = parse({
      GATE: GATE_AGAIN,
      ISSUERS: issuers,
      ROUTES: routes,
      SCOPES: scopes,
    })
    expect(again).toMatchObject({ ok: true })
    if (again.ok) expect(showPolicy(again.value.policy)).toEqual(showPolicy(made))
  })

  it('holds no secret, no key and no query', () => {
    const shown = showPolicy(
      policy({
        ISSUERS: {
          acme: { ...ACME, jwks_uri: 'https://keys.example/jwks?apikey=confidential' },
          beta: { ...BETA, jwks: { keys: [{ ...KEY, kid: 'key-1' }, KEY] } },
        },
        ROUTES: [
          {
            ...CHAT,
            inject: { Authorization: `Bearer-literal \${KEY}`, 'X-Team': `team-literal \${KEY}` },
          },
        ],
      }),
    )
    expect(shown.routes[0]?.inject).toEqual({ authorization: 'redacted', 'x-team': 'redacted' })
    expect(shown.issuers.acme?.jwks_uri).toBe('https://keys.example/jwks?redacted')
    expect(shown.issuers.beta?.jwks).toEqual({ keys: [{ kid: 'key-1' }, {}] })
    const text = JSON.stringify(shown)
    for (const secret of ['s3cr3t-value', 'literal', 'KEY', 'confidential', KEY.x]) {
      expect(text).not.toContain(secret)
    }
  })

  it('keeps to an issuer and the rules that take its tokens, where it is told to', () => {
    const shown = showPolicy(policy(TWO), ACME.issuer)
    expect(Object.keys(shown.issuers)).toEqual(['acme'])
    expect(shown.routes.map(({ match, issuers }) => [match, issuers])).toEqual([
      ['POST /v1/chat', ['acme']],
      ['GET /v1/any', ['acme']],
      ['* /open/*', undefined],
    ])
    expect(shown.routes.map((route) => 'revocation' in route)).toEqual([true, true, false])
    expect(JSON.stringify(shown)).not.toContain('beta')
    expect(shown.gate).toEqual(showPolicy(policy(TWO)).gate)
  })

  it('shows nothing but the open rules to an issuer that is none', () => {
    const shown = showPolicy(policy(TWO), 'https://other.example')
    expect(shown.issuers).toEqual({})
    expect(shown.routes.map(({ match, issuers }) => [match, issuers])).toEqual([
      ['POST /v1/chat', []],
      ['* /open/*', undefined],
    ])
  })
})

/** Actors of every sort: of nobody in particular, and of three issuers. */
describe('delegation, shown to an administrator of one issuer', () => {
  const STRANGER = 'https://stranger.example'
  const named = ['acme', 'beta', STRANGER].map((issuer) => ({ issuer, sub: `of-${issuer}` }))
  const delegation = {
    issuers: ['acme', 'beta', STRANGER],
    actors: ['anyone', ...named],
    subjects: ['alice', { issuer: 'acme', sub: 'of-acme' }],
  }
  const of = policy({
    ISSUERS: { acme: { ...ACME, delegation }, beta: BETA },
    ROUTES: [
      { ...CHAT, delegation },
      { ...ITEM, issuers: ['beta'] },
    ],
  })
  const own = { issuer: ACME.issuer, sub: 'of-acme' }

  it('names no actor, subject or issuer of another', () => {
    const { issuers, routes } = showPolicy(of, ACME.issuer)
    expect(routes).toHaveLength(1)
    for (const part of [issuers.acme, routes[0]]) {
      expect(part?.delegation).toMatchObject({
        actors: ['anyone', own],
        issuers: [ACME.issuer],
        subjects: ['alice', own],
      })
    }
    for (const other of ['of-beta', 'of-https', BETA.issuer, STRANGER]) {
      expect(JSON.stringify([issuers, routes])).not.toContain(other)
    }
    const subjects = [{ issuer: 'beta', sub: 'of-beta' }]
    const hidden = policy({
      ISSUERS: { acme: ACME, beta: BETA },
      ROUTES: [{ ...CHAT, delegation: { subjects } }],
    })
    const [rule] = showPolicy(hidden, ACME.issuer).routes
    expect(rule?.delegation).toMatchObject({ subjects: [], other_subjects: 'redacted' })
  })

  it('is whole for who may see everything', () => {
    const { issuers, routes } = showPolicy(of)
    for (const part of [issuers.acme, routes[0]]) {
      expect(part?.delegation).toMatchObject({ issuers: [ACME.issuer, BETA.issuer, STRANGER] })
      expect(JSON.stringify(part)).toContain('of-beta')
    }
  })
})

const KEY = {
  kty: 'EC',
  crv: 'P-256',
  x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
  y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
}

describe('routesOf', () => {
  it('has a row for each rule, in file order, and none of the gate itself', () => {
    expect(routesOf(policy(TWO))).toEqual([
      {
        match: 'POST /v1/chat',
        access: 'required',
        needs: 'chat:write',
        scopes: ['chat:write'],
        issuers: ['acme', 'beta'],
        origin: 'https://origin.example.com',
        mode: 'enforce',
      },
      {
        match: 'GET /v1/items/{id}',
        access: 'required',
        needs: 'one of items:read, items:{id}',
        scopes: { any: ['items:read', 'items:{id}'] },
        issuers: ['beta'],
        origin: 'https://origin.example.com',
        mode: 'enforce',
      },
      {
        match: 'GET /v1/any',
        access: 'optional',
        needs: 'no token, or any valid token',
        scopes: [],
        issuers: ['acme'],
        origin: 'https://origin.example.com',
        mode: 'shadow',
      },
      {
        match: '* /open/*',
        access: 'public',
        needs: 'nothing',
        scopes: [],
        issuers: [],
        origin: 'service:API',
        mode: 'enforce',
      },
    ])
  })

  it('names all scopes that are needed, and the host', () => {
    const [row] = routesOf(
      policy({ ROUTES: [{ ...CHAT, scopes: ['a', 'b:c'], host: 'api.example.com' }] }, ENV),
    )
    expect(row).toMatchObject({ needs: 'a and b:c', host: 'api.example.com' })
  })
})

describe('claimPathText', () => {
  it.each([
    'a',
    'a.b.c',
    'https://acme.example/agent.id',
    '/a.b/c',
    '/a~0b.c',
    '/https:~1~1x/b',
    '/x/https:~1~1y.z',
  ])('%s', (text) => {
    const path = claimPath(text)
    expect(claimPath(claimPathText(path))).toEqual(path)
    expect(claimPathText(path)).toBe(text)
  })

  it.each([
    ['/agent/id', 'agent.id'],
    ['/a', 'a'],
    ['/a~1b', 'a/b'],
  ])('%s is written %s', (text, plain) => {
    expect(claimPathText(claimPath(text))).toBe(plain)
  })
})
