import { generateKeyPairSync, type JsonWebKey } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import type { PolicyEnv } from '../../src/gate/policy/reading/env.ts'
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
  const made = { algorithm: 'ES256', maxBody: 1_048_576, operatorKeys: [], withdrawn: [] }

  it.each<[unknown, unknown]>([
    [undefined, { ...made, binding: 'identity' }],
    ['identity', { ...made, binding: 'identity' }],
    ['request', { ...made, binding: 'request' }],
    ['body', { ...made, binding: 'body' }],
    ['off', undefined],
    [{}, { ...made, binding: 'identity' }],
    [{ binding: 'off', algorithm: 'EdDSA' }, undefined],
    [{ algorithm: 'EdDSA' }, { ...made, binding: 'identity', algorithm: 'EdDSA' }],
    [
      { binding: 'body', max_body: 1 },
      { ...made, binding: 'body', maxBody: 1 },
    ],
    [
      { binding: 'request', withdrawn: [KID, OTHER] },
      { ...made, binding: 'request', withdrawn: [KID, OTHER] },
    ],
    [{ withdrawn: [] }, { ...made, binding: 'identity' }],
    [{ max_body: 4 * 1024 * 1024 }, { ...made, binding: 'identity', maxBody: 4_194_304 }],
  ])('%j', (written, expected) => {
    expect(ruleOf(written)).toEqual(expected)
  })

  it.each<[unknown, string, RegExp]>([
    ['on', 'GATE.assertion', /must be one of `off`, `identity`, `request`, `body`, or a table$/],
    ['', 'GATE.assertion', /must be one of/],
    ['Identity', 'GATE.assertion', /must be one of/],
    [true, 'GATE.assertion', /must be a table/],
    [['identity'], 'GATE.assertion', /must be a table/],
    [null, 'GATE.assertion', /must be/],
    [{ bindng: 'body' }, 'GATE.assertion.bindng', /unknown key `bindng`; did you mean `binding`/],
    [{ binding: 'all' }, 'GATE.assertion.binding', /Allowed: `off`, `identity`, `request`, `body`/],
    [{ algorithm: 'RS256' }, 'GATE.assertion.algorithm', /Allowed: `ES256`, `EdDSA`/],
    [{ max_body: 0 }, 'GATE.assertion.max_body', /1 to 4194304/],
    [{ max_body: 4_194_305 }, 'GATE.assertion.max_body', /1 to 4194304/],
    [{ max_body: 1.5 }, 'GATE.assertion.max_body', /1 to 4194304/],
    [{ max_body: '1' }, 'GATE.assertion.max_body', /1 to 4194304/],
    [{ withdrawn: KID }, 'GATE.assertion.withdrawn', /must be a list/],
    [{ withdrawn: [KID, 7] }, 'GATE.assertion.withdrawn[1]', /must be a string/],
    [{ withdrawn: [KID.slice(1)] }, 'GATE.assertion.withdrawn[0]', /43 characters of base64url/],
    [{ withdrawn: [`${KID}=`] }, 'GATE.assertion.withdrawn[0]', /kid of a key in jwks\.json/],
    [{ withdrawn: [KID, `${KID.slice(1)}+`] }, 'GATE.assertion.withdrawn[1]', /RFC 7638/],
    [{ withdrawn: Array(17).fill(KID) }, 'GATE.assertion.withdrawn', /a list of at most 16$/],
  ])('is a mistake as %j', (written, path, says) => {
    const found = mistakes(gate(written))
    expect(found).toHaveLength(1)
    expect(found[0]?.split(': ', 1)).toEqual([path])
    expect(found[0]).toMatch(says)
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

  it('asks for the secret by name only where nobody makes keys', () => {
    const asked: string[] = []
    const env: PolicyEnv = {
      has: (kind, name) => {
        if (kind === 'secret') asked.push(name)
        return true
      },
      secret: () => undefined,
    }
    mistakes(gate('identity'), env)
    expect(asked).toEqual([])
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
  it.each<[string, string, readonly string[]]>([
    ['empty', '', [set]],
    ['no JSON', `{"keys":[${EC.d}`, [set]],
    ['a list', JSON.stringify([EC]), [set]],
    ['one key', JSON.stringify(EC), [set]],
    ['an empty set', '{"keys":[]}', [set]],
    ['17 keys', JSON.stringify({ keys: Array(17).fill(EC) }), [set]],
    ['a public key', JSON.stringify({ keys: [publicOf(EC)] }), [key(1)]],
    ['a public key behind a good one', JSON.stringify({ keys: [ED, publicOf(EC)] }), [key(2)]],
    ['two that are wrong', JSON.stringify({ keys: [1, EC, null] }), [key(1), key(3)]],
    ['one for encryption', JSON.stringify({ keys: [{ ...EC, use: 'enc' }] }), [key(1)]],
    ['another curve', JSON.stringify({ keys: [{ ...EC, crv: 'P-384' }] }), [key(1)]],
    ['another type', JSON.stringify({ keys: [{ ...EC, kty: 'RSA' }] }), [key(1)]],
    ['X25519', JSON.stringify({ keys: [{ ...ED, crv: 'X25519' }] }), [key(1)]],
    ['a short d', JSON.stringify({ keys: [{ ...EC, d: EC.d?.slice(2) }] }), [key(1)]],
    ['a d that is no base64url', JSON.stringify({ keys: [{ ...EC, d: `${EC.d}=` }] }), [key(1)]],
    ['an x that is a number', JSON.stringify({ keys: [{ ...ED, x: 7 }] }), [key(1)]],
    [
      'a key twice',
      JSON.stringify({ keys: [EC, ED, { ...EC, kid: 'again' }] }),
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

  it.each<[string, object, object?]>([
    ['whose origin is public', bare],
    ['that says everything but that', { ...bare, assertion: { algorithm: 'EdDSA' } }],
    [
      'whose rule has a public origin',
      { ...bare, origin: 'http://10.0.0.1' },
      { origin: 'https://o.example', scopes: [] },
    ],
    [
      'whose rule reaches another origin than the private one',
      { ...bare, origin_via: 'VPC' },
      { origin: 'https://o.example', scopes: [] },
    ],
  ])('is warned of in a policy %s', (_, gate, route) => {
    expect(warned(gate, route)).toContain('GATE.assertion')
  })

  it.each<[string, object, object?]>([
    ['that says so', { ...bare, assertion: 'identity' }],
    ['that signs nothing', { ...bare, assertion: 'off' }],
    ['whose origin is a service binding', { ...bare, origin: 'service:API' }],
    ['whose origin is on a private network', { ...bare, origin: 'http://10.0.0.1' }],
    ['whose origin is on this machine', { ...bare, origin: 'http://localhost:8080' }],
    ['that reaches it by a binding', { ...bare, origin_via: 'MTLS' }],
    ['whose rules are public', bare, { access: 'public' }],
  ])('is not in a policy %s', (_, gate, route) => {
    expect(warned(gate, route)).not.toContain('GATE.assertion')
  })
})
