import { describe, expect, it } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import { changesOf, GATE_TABLE, ISSUER_TABLE, RULE_TABLE } from '../../src/compare/settings.ts'
import { ACME, CHAT, GATE, policy, type Vars } from '../gate/policy/support.ts'

const KEYS = {
  keys: [
    {
      kty: 'EC',
      crv: 'P-256',
      kid: 'one',
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    },
  ],
}
const [KID, LEAKED] = ['A'.repeat(43), 'E'.repeat(43)]
const MORE_KEYS = { keys: [...KEYS.keys, { ...KEYS.keys[0], kid: 'two' }] }

/** All secrets are set, and none is known. */
const UNKNOWN = { has: () => true, secret: () => undefined }

const gate = (change: object): Vars => ({ GATE: { ...GATE, ...change } })
const acme = (change: object): Vars => ({ ISSUERS: { acme: { ...ACME, ...change } } })
const chat = (change: object): Vars => ({ ROUTES: [{ ...CHAT, ...change }] })

/** A setting: less, then more of it, where both are written or the one is at another place. */
const ORDERED: readonly (readonly [key: string, narrow: Vars, wide: Vars])[] = [
  ['assertion.binding', gate({ assertion: 'request' }), gate({ assertion: 'identity' })],
  ['assertion.binding', gate({}), gate({ assertion: 'off' })],
  [
    'assertion.withdrawn',
    gate({ assertion: { binding: 'request', withdrawn: [KID, LEAKED] } }),
    gate({ assertion: { binding: 'request', withdrawn: [KID] } }),
  ],
  ['revocation.late_by', gate({}), gate({ revocation: { max_staleness: '1m' } })],
  ['revocation.late_by', chat({ revocation: 'strict', on_expiry: 'finish' }), chat({})],
  ['on_revocation', chat({}), gate({ on_revocation: 'ignore' })],
  ['on_expiry', gate({ on_expiry: 'cut' }), gate({ finish_within: '1h' })],
  ['admin', acme({ admin: 'own' }), acme({ admin: 'all' })],
  ['jwks', acme({ jwks: KEYS }), acme({ jwks: MORE_KEYS })],
  [
    'token_subprotocols',
    chat({ token_subprotocols: ['a.'] }),
    chat({ token_subprotocols: ['a.', 'b.'] }),
  ],
  ['single_use', chat({ single_use: true }), chat({ single_use: false })],
  [
    'inject',
    { ...gate({ strip_headers: ['x-key'] }), ...chat({}) },
    { ...gate({ strip_headers: ['x-key'] }), ...chat({ inject: { 'x-key': `v \${KEY}` } }) },
  ],
]

describe('a setting that lets more pass', () => {
  it.each(ORDERED)('%s', async (key, narrow, wide) => {
    const [less, more] = [policy(narrow), policy(wide)]
    const gained = await comparePolicies(less, more)
    const text = expect.stringContaining(`\`${key}\` is now `)
    expect(gained).toMatchObject({
      ok: true,
      value: { widens: true, gains: [{ text, widens: true }], loses: [], changes: [] },
    })
    const lost = await comparePolicies(more, less)
    expect(lost).toMatchObject({
      ok: true,
      value: { widens: false, gains: [], loses: [{ text, widens: false }], changes: [] },
    })
  })
})

describe('`rules` of an issuer', () => {
  const beta = (rules: unknown): Vars => ({
    ISSUERS: {
      acme: { ...ACME, agent_prefix: 'acme/' },
      beta: { issuer: 'https://auth.beta.example', agent_prefix: 'beta/', admin: 'own', rules },
    },
    ROUTES: [CHAT, { match: 'GET /drill', scopes: [], issuers: ['beta', 'acme'] }],
  })

  it('widens access from "named" to true, by the rules that do not name the issuer', async () => {
    const [less, more] = [policy(beta('named')), policy(beta(true))]
    const text = expect.stringMatching(/^tokens of beta .* call POST \/v1\/chat/)
    expect(await comparePolicies(less, more)).toMatchObject({
      ok: true,
      value: { widens: true, gains: [{ text }], loses: [], changes: [] },
    })
    expect(await comparePolicies(more, less)).toMatchObject({
      ok: true,
      value: { widens: false, gains: [], loses: [{ text }], changes: [] },
    })
  })
})

describe('what cannot be compared', () => {
  it('is said without the query of an address', async () => {
    const [one, other] = [1, 2].map((a) => policy(acme({ jwks_uri: `https://k.example/k?a=${a}` })))
    const found = await comparePolicies(one as never, other as never)
    const text = expect.stringMatching(/`jwks_uri` is now .*counted as wider$/)
    expect(found).toMatchObject({ ok: true, value: { widens: true, changes: [{ text }] } })
    expect(JSON.stringify(found)).not.toContain('a=2')
  })

  it.each([
    ['GATE', GATE_TABLE],
    ['issuers', ISSUER_TABLE],
    ['rules', RULE_TABLE],
  ])('is every key of %s that nobody has judged', (_, table) => {
    const pairs = [
      [{}, { brand_new: 1 }],
      [{ brand_new: 1 }, {}],
      [{ brand_new: { a: 1 } }, { brand_new: { a: 2 } }],
      [{ delegation: { max_depth: 3 } }, { delegation: { max_depth: 3, brand_new: true } }],
    ]
    for (const [before = {}, after = {}] of pairs) {
      const found = changesOf(table, { shown: before }, { shown: after })
      expect(found).toMatchObject([{ directions: ['unclear'] }])
    }
    const same = { brand_new: { a: 1, b: [2] } }
    expect(changesOf(table, { shown: same }, { shown: { brand_new: { b: [2], a: 1 } } })).toEqual(
      [],
    )
  })

  it.each([
    ['when', 'request.method == "GET"', 'true'],
    ['rate_limit', { limit: 1, period: '1s' }, { limit: 2, period: '2s' }],
    ['rate_limit', { limit: 1, period: '1s' }, { binding: 'RL' }],
    ['authorization_details', [{ type: 'a' }], [{ type: 'b' }]],
  ])('is a restriction that is another: %s', (key, one, other) => {
    const judge = (before: unknown, after: unknown) =>
      changesOf(
        RULE_TABLE,
        { shown: before === undefined ? {} : { [key]: before } },
        { shown: after === undefined ? {} : { [key]: after } },
      ).map(({ directions }) => directions)
    expect(judge(undefined, one)).toEqual([['narrower']])
    expect(judge(one, undefined)).toEqual([['wider']])
    expect(judge(one, other)).toEqual([['unclear']])
    expect(judge(one, one)).toEqual([])
  })

  it.each([
    ['acr_values', ['gold'], ['gold', 'silver'], ['wider']],
    ['acr_values', ['gold', 'silver'], ['gold'], ['narrower']],
    ['acr_values', ['gold'], ['silver'], ['wider', 'narrower']],
    ['max_age', '60s', '300s', ['wider']],
    ['rate_limit', { limit: 9, period: '1s' }, { limit: 10, period: '1s' }, ['wider']],
    ['rate_limit', { daily: 10 }, { daily: 9 }, ['narrower']],
    ['rate_limit', { limit: 1, period: '1s', daily: 9 }, { limit: 1, period: '1s' }, ['wider']],
    ['rate_limit', { limit: 1, daily: 9 }, { limit: 2, daily: 8 }, ['wider', 'narrower']],
    ['max_age', '5m', '60s', ['narrower']],
    ['max_age', undefined, '60s', ['narrower']],
    ['max_age', '60s', undefined, ['wider']],
  ])('unless it can: %s from %j to %j', (key, before, after, directions) => {
    const shown = (value: unknown) => ({ shown: value === undefined ? {} : { [key]: value } })
    expect(changesOf(RULE_TABLE, shown(before), shown(after))).toMatchObject([{ directions }])
  })
})

it("opens the gate's own endpoints by admin alone", async () => {
  const found = await comparePolicies(policy(acme({})), policy(acme({ admin: 'own' })))
  expect(found).toMatchObject({ ok: true, value: { widens: true } })
  expect(found.ok && found.value.gains.map(({ text }) => text)).toEqual([
    'tokens of acme with `edgewarden:read` may now call GET /.edgewarden/policy (was: nobody)',
    'tokens of acme with `edgewarden:revoke` may now call GET /.edgewarden/revocations (was: nobody)',
    'issuer acme: `admin` is now own (was false)',
  ])
})

it('never shows what is injected', async () => {
  const env = (value: string) => ({
    has: () => true,
    secret: (name: string) => (name === 'KEY' ? value : undefined),
  })
  const vars = chat({ inject: { Authorization: 'Bearer $' + '{KEY}' } })
  const found = await comparePolicies(
    policy(vars, env('first-secret')),
    policy(vars, env('second-secret')),
  )
  expect(found).toMatchObject({ ok: true, value: { widens: true } })
  expect(JSON.stringify(found)).not.toMatch(/first-secret|second-secret|Bearer/)
})

describe('what is written in another order', () => {
  const [APP, WEB] = ['https://app.example.com', 'https://web.example.com']
  const details = (more: object) => chat({ authorization_details: [{ type: 't', ...more }] })

  it.each<[string, Vars, Vars]>([
    [
      'keys of a claim, at a rule',
      chat({ claims: { n: { min: 1, max: 3 } } }),
      chat({ claims: { n: { max: 3, min: 1 } } }),
    ],
    [
      'keys of a claim, of an issuer',
      acme({ claims: { n: { min: 1, max: 3 } } }),
      acme({ claims: { n: { max: 3, min: 1 } } }),
    ],
    [
      'origins of `cors`',
      chat({ cors: { origins: [APP, WEB] } }),
      chat({ cors: { origins: [WEB, APP] } }),
    ],
    [
      'headers of `cors`, in another case',
      chat({ cors: { origins: [APP], headers: ['X-A', 'x-b'], expose: ['x-c', 'X-D'] } }),
      chat({ cors: { origins: [APP], headers: ['X-B', 'x-a'], expose: ['x-d', 'x-c'] } }),
    ],
    [
      'headers of `cors` that are the default',
      chat({ cors: { origins: [APP] } }),
      chat({ cors: { origins: [APP], headers: ['content-type', 'Authorization'] } }),
    ],
    ['actions', details({ actions: ['a', 'b'] }), details({ actions: ['b', 'a', 'a'] })],
    ['locations', details({ locations: [APP, WEB] }), details({ locations: [WEB, APP] })],
    [
      'algorithms of `decrypt`',
      acme({ decrypt: { secret: 'KEY', key_management: ['ECDH-ES', 'RSA-OAEP-256'] } }),
      acme({ decrypt: { secret: 'KEY', key_management: ['RSA-OAEP-256', 'ECDH-ES'] } }),
    ],
  ])('is the same: %s', async (_, one, other) => {
    const found = await comparePolicies(policy(one, UNKNOWN), policy(other, UNKNOWN))
    const nothing = { widens: false, gains: [], loses: [], changes: [] }
    expect(found).toEqual({ ok: true, value: nothing })
  })
})

describe('the order of algorithms', () => {
  const directions = (before: readonly string[], after: readonly string[]) =>
    changesOf(
      ISSUER_TABLE,
      { shown: { algorithms: before } },
      { shown: { algorithms: after } },
    ).flatMap((one) => one.directions)

  it.each([
    ['turned over', ['RS256', 'PS256'], ['PS256', 'RS256'], ['unclear']],
    ['the first gone', ['PS256', 'RS256'], ['RS256'], ['narrower', 'unclear']],
    ['another first', ['RS256'], ['PS256', 'RS256'], ['wider', 'unclear']],
    ['another in its place', ['RS256'], ['PS256'], ['wider', 'narrower']],
    ['those after the first', ['RS256', 'PS256', 'RS512'], ['RS256', 'RS512', 'PS256'], []],
    ['of other keys', ['ES256', 'RS256', 'Ed25519'], ['Ed25519', 'RS256', 'ES256'], []],
    ['one before, of other keys', ['RS256'], ['ES256', 'RS256'], ['wider']],
    ['none for such keys any more', ['RS256', 'ES256'], ['ES256'], ['narrower']],
  ])('says what keys without `alg` are for: %s', (_, before, after, expected) => {
    expect(directions(before, after)).toEqual(expected)
  })
})

describe('another secret that is injected', () => {
  const injecting = (template: string) =>
    policy(chat({ inject: { Authorization: template } }), UNKNOWN)
  const [READ, ADMIN] = ['$' + '{READ_KEY}', '$' + '{ADMIN_KEY}']

  it.each([
    ['by another name', `Bearer ${READ}`, `Bearer ${ADMIN}`],
    ['and one more', READ, READ + ADMIN],
    ['in another order', READ + ADMIN, ADMIN + READ],
    ['with other text', READ, `Bearer ${READ}`],
  ])('counts as wider where no value is known: %s', async (_, one, other) => {
    for (const [before, after] of [
      [one, other],
      [other, one],
    ] as const) {
      const found = await comparePolicies(injecting(before), injecting(after))
      const text = expect.stringMatching(/`inject` is now .*, of other secrets or text/)
      expect(found).toMatchObject({ ok: true, value: { widens: true, changes: [{ text }] } })
      expect(JSON.stringify(found)).not.toMatch(/Bearer|_KEY/)
    }
  })

  it('is none where the headers change places', async () => {
    const inject = { a: READ, b: ADMIN }
    const turned = { b: ADMIN, a: READ }
    const found = await comparePolicies(
      policy(chat({ inject }), UNKNOWN),
      policy(chat({ inject: turned }), UNKNOWN),
    )
    expect(found).toMatchObject({ ok: true, value: { widens: false, changes: [] } })
  })
})
