import { generateKeyPairSync, type JsonWebKey } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import type { PolicyEnv } from '../../../src/gate/policy/reading/env.ts'
import { ENV, GATE, mistakes, parse, policy } from '../policy/support.ts'

const jwkOf = (kind: 'ec' | 'ed25519') => {
  const { privateKey } =
    kind === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('ed25519')
  return privateKey.export({ format: 'jwk' })
}
const EC = jwkOf('ec')
const ED = jwkOf('ed25519')
const [KID, OTHER] = ['NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs', 'A'.repeat(43)]
const SECRETS = [EC, ED].flatMap(({ x, y, d }) => [x, y, d]).filter((part) => part !== undefined)

const withKeys = (value: string | undefined): PolicyEnv => ({
  has: (kind, name) => kind !== 'secret' || (name === 'ASSERTION_KEYS' && value !== undefined),
  secret: (name) => (name === 'ASSERTION_KEYS' ? value : undefined),
})
const withSet = (...keys: readonly unknown[]) => withKeys(JSON.stringify({ keys }))
/** Without the key where there is nothing to write. */
const gate = (assertion?: unknown) => {
  const { assertion: _, ...bare } = GATE
  return { GATE: { ...bare, ...(assertion !== undefined && { assertion }) } }
}
const ruleOf = (assertion: unknown, env?: PolicyEnv) => policy(gate(assertion), env).gate.assertion

describe('GATE.assertion', () => {
  const made = {
    ...{ binding: 'identity', algorithm: 'ES256', maxBody: 1_048_576 },
    ...{ operatorKeys: [], withdrawn: [] },
  }

  it.each<[unknown, object | undefined]>([
    [undefined, {}],
    ['body', { binding: 'body' }],
    ['off', undefined],
    [{}, {}],
    [{ binding: 'off', algorithm: 'EdDSA' }, undefined],
    [{ algorithm: 'EdDSA' }, { algorithm: 'EdDSA' }],
    [{ max_body: 4_194_304 }, { maxBody: 4_194_304 }],
    [{ withdrawn: [KID, OTHER] }, { withdrawn: [KID, OTHER] }],
  ])('is read from %j', (written, changes) => {
    expect(ruleOf(written)).toEqual(changes && { ...made, ...changes })
  })

  it.each<[unknown, string, RegExp]>([
    ['on', 'GATE.assertion', /must be one of `off`, `identity`, `request`, `body`, or a table$/],
    [true, 'GATE.assertion', /must be one of .off., .identity., .request., .body., or a table$/],
    [{ bindng: 'body' }, 'GATE.assertion.bindng', /unknown key `bindng`; did you mean `binding`/],
    [{ binding: 'all' }, 'GATE.assertion.binding', /Allowed: `off`, `identity`, `request`, `body`/],
    [{ algorithm: 'RS256' }, 'GATE.assertion.algorithm', /Allowed: `ES256`, `EdDSA`/],
    [{ max_body: 0 }, 'GATE.assertion.max_body', /1 to 4194304/],
    [{ max_body: 4_194_305 }, 'GATE.assertion.max_body', /1 to 4194304/],
    [{ withdrawn: KID }, 'GATE.assertion.withdrawn', /must be a list/],
    [{ withdrawn: [`${KID}=`] }, 'GATE.assertion.withdrawn[0]', /kid of a key in jwks\.json/],
    [{ withdrawn: [KID, `${KID.slice(1)}+`] }, 'GATE.assertion.withdrawn[1]', /RFC 7638/],
    [{ withdrawn: Array(17).fill(KID) }, 'GATE.assertion.withdrawn', /a list of at most 16$/],
  ])('is a mistake as %j', (written, path, says) => {
    const found = mistakes(gate(written))
    expect(found).toEqual([expect.stringMatching(says)])
    expect(found[0]?.split(': ', 1)).toEqual([path])
  })

  it('needs somebody who makes keys, or keys', () => {
    const none: PolicyEnv = {
      ...ENV,
      has: (kind, name) => name !== 'ASSERTION_KEY_SERVICE' && kind !== 'secret',
    }
    expect(mistakes(gate('identity'), none)).toEqual([
      expect.stringMatching(
        /^GATE\.assertion: needs keys to sign with: .*ASSERTION_KEY_SERVICE.*"off"$/,
      ),
    ])
    expect(mistakes(gate('off'), none)).toEqual([])
    const withoutService: PolicyEnv = {
      ...withSet(EC),
      has: (_, name) => name !== 'ASSERTION_KEY_SERVICE',
    }
    expect(ruleOf('identity', withoutService)?.operatorKeys).toHaveLength(1)
  })
})

const partsOf = ({ x, y, d }: JsonWebKey) => ({ x, ...(y !== undefined && { y }), d })

it('a withdrawn key may be of the secret, also where it is all there is', async () => {
  const kid = await calculateJwkThumbprint(EC as JWK)
  expect(policy(gate({ withdrawn: [kid] }), withSet(EC)).gate.assertion).toMatchObject({
    operatorKeys: [{ place: 1, algorithm: 'ES256' }],
    withdrawn: [kid],
  })
})

describe('the secret ASSERTION_KEYS', () => {
  it('brings keys, of which the first names the algorithm', () => {
    const rule = ruleOf(
      { algorithm: 'EdDSA' },
      withSet({ ...EC, kid: 'mine', use: 'sig', x5t: 'x' }, ED),
    )
    expect(rule).toEqual({
      binding: 'identity',
      algorithm: 'ES256',
      maxBody: 1_048_576,
      operatorKeys: [
        { place: 1, algorithm: 'ES256', privateJwk: { kty: 'EC', crv: 'P-256', ...partsOf(EC) } },
        {
          place: 2,
          algorithm: 'EdDSA',
          privateJwk: { kty: 'OKP', crv: 'Ed25519', ...partsOf(ED) },
        },
      ],
      withdrawn: [],
    })
    expect(ruleOf('request', withSet(ED))).toMatchObject({ binding: 'request', algorithm: 'EdDSA' })
  })

  it('is not looked at where nothing is signed', () => {
    expect(parse(gate('off'), withKeys('rubbish'))).toMatchObject({ ok: true })
  })

  const publicOf = ({ d: _, ...rest }: object & { readonly d?: unknown }) => rest
  const set = 'the secret `ASSERTION_KEYS` must be a private JWK set'
  const key = (n: number) => `key ${n} of the secret \`ASSERTION_KEYS\` must be a private JWK`
  const setOf = (...keys: readonly unknown[]) => JSON.stringify({ keys })
  it.each<[string, string, readonly string[]]>([
    ['no JSON', `{"keys":[${EC.d}`, [set]],
    ['one key', JSON.stringify(EC), [set]],
    ['an empty set', setOf(), [set]],
    ['17 keys', setOf(...Array(17).fill(EC)), [set]],
    ['a public key behind a good one', setOf(ED, publicOf(EC)), [key(2)]],
    ['two that are wrong', setOf(1, EC, null), [key(1), key(3)]],
    ['one for encryption', setOf({ ...EC, use: 'enc' }), [key(1)]],
    ['another curve', setOf({ ...EC, crv: 'P-384' }), [key(1)]],
    ['another type', setOf({ ...EC, kty: 'RSA' }), [key(1)]],
    ['X25519', setOf({ ...ED, crv: 'X25519' }), [key(1)]],
    ['a short d', setOf({ ...EC, d: EC.d?.slice(2) }), [key(1)]],
    ['an x that is a number', setOf({ ...ED, x: 7 }), [key(1)]],
    [
      'a key twice',
      setOf(EC, ED, { ...EC, kid: 'again' }),
      ['key 3 of the secret `ASSERTION_KEYS` is there twice'],
    ],
  ])('is a mistake as %s, told without anything of it', (_, value, expected) => {
    const found = mistakes(gate('identity'), withKeys(value))
    expect(found).toEqual(expected.map((one) => expect.stringContaining(`GATE.assertion: ${one}`)))
    for (const part of SECRETS) expect(found.join()).not.toContain(part)
  })
})

describe('an assertion that nobody wrote down', () => {
  const bare = { resource: GATE.resource, origin: GATE.origin }
  const warned = (gate: object, route: object = { scopes: [] }) => {
    const parsed = parse({ GATE: gate, ROUTES: [{ match: 'GET /x', ...route }] })
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
    return parsed.value.warnings.map(({ path }) => path)
  }

  const elsewhere = { origin: 'https://o.example', scopes: [] }
  it.each<[boolean, object, object?]>([
    [true, bare],
    [true, { ...bare, assertion: { algorithm: 'EdDSA' } }],
    [true, { ...bare, origin: 'http://10.0.0.1' }, elsewhere],
    [true, { ...bare, origin_via: 'VPC' }, elsewhere],
    [false, { ...bare, assertion: 'identity' }],
    [false, { ...bare, assertion: 'off' }],
    [false, { ...bare, origin: 'service:API' }],
    [false, { ...bare, origin: 'http://10.0.0.1' }],
    [false, { ...bare, origin_via: 'MTLS' }],
    [false, bare, { access: 'public' }],
  ])('is warned of (%s) with %j and the rule %j', (isWarned, gate, route) => {
    expect(warned(gate, route).includes('GATE.assertion')).toBe(isWarned)
  })
})
