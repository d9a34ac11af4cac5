import { createHash } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, generateKeyPair, jwtVerify } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Facts } from '../../../src/gate/guard/guard.ts'
import type { AssertionAlgorithm, AssertionBinding } from '../../../src/gate/model/assertion.ts'
import type { SigningKey } from '../../../src/gate/model/ports.ts'
import type { Route, Target } from '../../../src/gate/model/route.ts'
import type { AccessToken, AgentIdentity } from '../../../src/gate/model/token.ts'
import { type Asserted, assertionOf } from '../../../src/gate/relay/assertion.ts'
import {
  accessOf,
  admissionFor,
  agentOf,
  gateOf,
  ISSUER,
  NOW,
  policyOf,
  RESOURCE,
  routeOf,
  targetOf,
} from '../../kit/facts.ts'
import type { Members } from '../../kit/signing.ts'
import { policy } from '../policy/support.ts'

const keyOf = async (algorithm: AssertionAlgorithm, kid: string) => {
  const pair = await generateKeyPair(algorithm)
  const key: SigningKey = { kid, algorithm, key: pair.privateKey }
  return { ...pair, key }
}
const ES = await keyOf('ES256', 'es-1')
const ED = await keyOf('EdDSA', 'ed-1')
const BODY = new TextEncoder().encode('hello')
const HELD = { bytes: BODY, digest: createHash('sha256').update(BODY).digest('base64url') }

const clock = { at: NOW * 1000, now: () => clock.at }
beforeEach(() => {
  clock.at = NOW * 1000
})

/** What a rule reads parameters of its path by, as the policy has it. */
const ruleOf = (rule: Members): Partial<Route> => {
  const match = 'GET /v1/documents/{id}'
  const [route] = policy({ ROUTES: [{ match, scopes: [], ...rule }] }).routes
  const { authorizationDetails, when, mcp } = route ?? {}
  return {
    ...(authorizationDetails && { authorizationDetails }),
    ...(when && { when }),
    ...(mcp && { mcp }),
  }
}

interface Given {
  readonly binding?: AssertionBinding
  readonly access?: Partial<AccessToken>
  readonly agent?: Partial<AgentIdentity>
  readonly grant?: readonly string[]
  readonly match?: string
  readonly route?: Partial<Route>
  readonly params?: Readonly<Record<string, string>>
  readonly target?: Partial<Target>
  readonly key?: SigningKey
  readonly method?: string
  readonly url?: string
  readonly held?: Facts['held']
}

const asserted = ({
  binding = 'identity',
  access = {},
  agent = {},
  grant = ['docs:read'],
  match = 'GET /v1/documents/{id}',
  route = {},
  params = { id: '7' },
  target = {},
  key = ES.key,
  method = 'GET',
  url = 'https://origin.example.net/v1/documents/7?page=2',
  held,
}: Given = {}): Asserted => ({
  rule: {
    binding,
    algorithm: key.algorithm as 'ES256',
    maxBody: 1,
    operatorKeys: [],
    withdrawn: [],
  },
  known: {
    policy: policyOf([], { gate: gateOf() }),
    route: routeOf(match, { target: targetOf(target), ...route }),
    params: new Map(Object.entries(params)),
    access: accessOf(access),
    agent: agentOf(agent),
    admission: admissionFor(),
    grant,
    possession: 'bearer',
    held,
  } as unknown as Facts,
  key,
  clock,
  method,
  url,
})

const claimsOf = async (given?: Given) => decodeJwt(await assertionOf(asserted(given)))
/** A rule that asks for a scope of the one document. */
const READ: Route['scopes'] = {
  mode: 'any',
  scopes: [{ source: 'docs:read:{id}', parts: ['docs:read:', 'id', ''] }],
}

/** Without those that differ from one to the next. */
const saidOf = async (given?: Given) => {
  const { iat: _, exp: __, jti: ___, ...said } = await claimsOf(given)
  return said
}

const bare = {
  iss: RESOURCE,
  aud: 'https://origin.example.net',
  route: 'GET,HEAD /v1/documents/{id}',
  possession: 'bearer',
}

describe('an assertion', () => {
  it.each([
    [ES, 'ES256'],
    [ED, 'EdDSA'],
  ] as const)('is a JWT of its own type, signed by the key', async ({ key, publicKey }, alg) => {
    const text = await assertionOf(asserted({ key }))
    const currentDate = new Date(clock.at)
    const { protectedHeader } = await jwtVerify(text, publicKey, {
      algorithms: [alg],
      typ: 'agent-assertion+jwt',
      issuer: RESOURCE,
      audience: 'https://origin.example.net',
      currentDate,
    })
    expect(protectedHeader).toEqual({ alg, typ: 'agent-assertion+jwt', kid: key.kid })
  })

  it.each<[string, Given, string]>([
    ['of nothing that is judged', {}, 'GET,HEAD /v1/documents/{id}'],
    ['with a scope for it', { route: { scopes: READ } }, 'GET,HEAD /v1/documents/7'],
    ...[
      ['run:1', 'run:1'],
      ["%C3%AB@!$&'()+,=|[]~", "%C3%AB@!$&'()+,=|[]~"],
      ['*', '%2A'],
      ['a**b', 'a%2A%2Ab'],
    ].map(([id = '', written]): [string, Given, string] => [
      `of a workflow named ${id}`,
      { route: { workflow: { from: 'path', name: 'id' } }, params: { id } },
      `GET,HEAD /v1/documents/${written}`,
    ]),
    [
      'that may hold an escaped slash',
      { route: { encodedSlash: true } },
      'GET,HEAD /v1/documents/{+id}',
    ],
  ])('is for the path of a parameter %s', async (_, given, route) => {
    expect((await saidOf(given)).route).toBe(route)
  })

  it.each<[string, Partial<Route>]>([
    ['details', ruleOf({ authorization_details: [{ type: 'read', identifier: 'docs/{id}' }] })],
    ['a condition', ruleOf({ when: 'request.params.id == "7"' })],
    ['a tool', ruleOf({ match: 'POST /mcp/{id}', mcp: { tools: { a: ['x:{id}'] } } })],
  ])('for one value of a parameter that %s reads is for no other', async (_, route) => {
    const given = (id: string) => asserted({ route, params: { id } })
    expect(decodeJwt(await assertionOf(given('7'))).route).toBe('GET,HEAD /v1/documents/7')
    expect(decodeJwt(await assertionOf(given('8'))).route).toBe('GET,HEAD /v1/documents/8')
  })

  it('says of a delegated agent for whom it acts, and through whom', async () => {
    const beta = 'https://beta.example.com'
    const actors = [
      { sub: 'planner', issuer: ISSUER },
      { sub: 'helper', issuer: beta },
      { sub: 'first', issuer: ISSUER },
    ]
    const agent = {
      name: 'acme/planner',
      subject: 'alice',
      type: 'planner',
      workflowId: 'run-1',
      actors,
    }
    expect(await saidOf({ agent })).toEqual({
      ...bare,
      sub: 'acme/planner',
      agent_iss: ISSUER,
      agent_sub: 'alice',
      client_id: 'app',
      scope: 'docs:read',
      grant: 'docs:read',
      agent_type: 'planner',
      workflow_id: 'run-1',
      act: {
        sub: 'planner',
        iss: ISSUER,
        act: { sub: 'helper', iss: beta, act: { sub: 'first', iss: ISSUER } },
      },
      token_jti: 'token-1',
    })
  })

  it('has no claim for what the token does not say', async () => {
    const { subject: _, clientId: __, id: ___, ...access } = accessOf({ scopes: [] })
    const { subject: ____, clientId: _____, ...agent } = agentOf()
    const known = { ...asserted({ grant: [] }).known, access, agent }
    const { iat, exp, jti, ...said } = decodeJwt(await assertionOf({ ...asserted(), known }))
    expect([iat, exp, typeof jti]).toEqual([NOW, NOW + 60, 'string'])
    expect(said).toEqual({ ...bare, sub: 'planner', agent_iss: ISSUER })
  })

  it('never has the token', async () => {
    const claims = { iss: ISSUER, secret_claim: 'only-the-token-says-so' }
    const text = await assertionOf(asserted({ access: { claims } }))
    expect(Buffer.from(text, 'base64url').toString()).not.toContain('only-the-token')
  })

  it.each<[string, string, Partial<Target>, string]>([
    ['all methods', '* /x', {}, 'GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS /x'],
    ['an operation', 'POST /v1/{model}:run', {}, 'POST /v1/{model}:run'],
    ['a prefix that goes', 'POST /api/x', { stripPrefix: '/api' }, 'POST /x'],
    ['a prefix that is all', 'POST /api', { stripPrefix: '/api' }, 'POST /'],
    [
      'a base path with a star',
      'POST /x',
      { url: new URL('https://o.example/a*/*') },
      'POST /a%2A/%2A/x',
    ],
    [
      'both',
      'POST /api/{id}',
      { stripPrefix: '/api', url: new URL('https://o.example/base') },
      'POST /base/{id}',
    ],
  ])('names the route as the origin sees it: %s', async (_, match, target, route) => {
    expect(await saidOf({ match, target })).toMatchObject({ route })
  })

  it.each(['https://origin.example.net/base', 'service:API'])(
    'is for %s as written',
    async (audience) => {
      expect(await saidOf({ target: { audience } })).toMatchObject({ aud: audience })
    },
  )
})

describe('what it is bound to', () => {
  it.each<[AssertionBinding, object]>([
    ['identity', {}],
    ['request', { htm: 'GET', htu: 'https://origin.example.net/v1/documents/7' }],
    ['body', { htm: 'GET', htu: 'https://origin.example.net/v1/documents/7', bdh: HELD.digest }],
  ])('with %s', async (binding, expected) => {
    const { htm, htu, bdh } = await claimsOf({ binding, ...(binding === 'body' && { held: HELD }) })
    expect(JSON.parse(JSON.stringify({ htm, htu, bdh }))).toEqual(expected)
  })

  it.each<AssertionBinding>(['request', 'body'])(
    'one with %s is made for each request',
    async (binding) => {
      const one = asserted({ binding })
      expect(await assertionOf(one)).not.toBe(await assertionOf(one))
    },
  )

  it.each<AssertionBinding>(['identity', 'request'])(
    'with %s is not the body, though it was held',
    async (binding) => {
      const { bytes } = HELD
      expect(await claimsOf({ binding, held: { bytes } })).not.toHaveProperty('bdh')
    },
  )

  it.each([
    ['https://o.example/x?', 'https://o.example/x'],
    ['https://o.example/x?a=/y?z#f', 'https://o.example/x'],
    ['https://o.example:8443/a%20b;c', 'https://o.example:8443/a%20b;c'],
  ])('the URL %s is %s', async (url, htu) => {
    expect(await claimsOf({ binding: 'request', url })).toMatchObject({ htu })
  })
})

describe('its end', () => {
  it.each<[string, number, number]>([
    ['is after a minute', 600, 60],
    ['is never after that of the token', 20, 20],
    ['is a whole second', 20.9, 20],
  ])('%s', async (_, left, life) => {
    const { iat, exp } = await claimsOf({ access: { expires: NOW + left } })
    expect([iat, exp]).toEqual([NOW, NOW + life])
  })

  it('has passed where a token is taken that has ended', async () => {
    const { iat = 0, exp = 0 } = await claimsOf({ access: { expires: NOW - 3 } })
    expect(exp).toBe(NOW - 3)
    expect(iat).toBeLessThan(exp)
  })
})

describe('one that says who is calling', () => {
  it('is used again for less where the token ends sooner', async () => {
    const one = asserted({ access: { expires: NOW + 30 } })
    const first = await assertionOf(one)
    clock.at += 19_999
    expect(assertionOf(one)).toBe(first)
    clock.at += 1
    expect(decodeJwt(await assertionOf(one))).toMatchObject({ iat: NOW + 20, exp: NOW + 30 })
  })

  it('is used again for two thirds of its life', async () => {
    const one = asserted()
    const first = await assertionOf(one)
    expect(assertionOf(one)).toBe(first)
    clock.at += 39_999
    expect(assertionOf(one)).toBe(first)
    clock.at += 1
    const second = await assertionOf(one)
    expect(second).not.toBe(first)
    expect(decodeJwt(second)).toMatchObject({ iat: NOW + 40, exp: NOW + 100 })
  })

  const again = async (change: (known: Facts, one: Asserted) => Partial<Asserted>) => {
    const one = asserted()
    const first = await assertionOf(one)
    const second = await assertionOf({ ...one, ...change(one.known, one) })
    expect(assertionOf(one)).toBe(first)
    return second !== first && second
  }
  const known = (change: (known: Facts) => object) => (before: Facts) =>
    ({ known: { ...before, ...change(before) } }) as Partial<Asserted>

  it.each([
    ['another token or rule', known(() => ({ admission: admissionFor() }))],
    ['other scopes used', known(() => ({ grant: ['docs:read', 'docs:write'] }))],
    ['none used', known(() => ({ grant: [] }))],
  ])('is not that of %s', async (_, change) => {
    expect(await again(change)).toEqual(expect.any(String))
  })

  it('is not signed by a key that signs no more', async () => {
    const one = asserted()
    await assertionOf(one)
    const second = await assertionOf({ ...one, key: ED.key })
    expect(decodeProtectedHeader(second)).toMatchObject({ kid: 'ed-1', alg: 'EdDSA' })
    expect(assertionOf({ ...one, key: ED.key })).toBe(second)
  })

  it('is the same for another method and path of its rule', async () => {
    expect(
      await again(() => ({ method: 'HEAD', url: 'https://origin.example.net/v1/documents/8' })),
    ).toBe(false)
  })

  it('is kept for so many uses of one admission, which is told what they weigh, and no more', async () => {
    const one = asserted()
    const use = (i: number) => ({ ...one, known: { ...one.known, grant: [`s:${i}`] } as Facts })
    const first = await assertionOf(use(0))
    const { admission } = one.known
    const { bytes } = admission
    expect(bytes).toBeGreaterThan(first.length)
    for (let i = 1; i < 16; i++) await assertionOf(use(i))
    expect(admission.bytes).toBeGreaterThan(15 * bytes)
    expect(assertionOf(use(0))).toBe(first)
    await assertionOf(use(16))
    expect(admission.bytes).toBeLessThan(1.5 * bytes)
    const told = assertionOf(use(0))
    expect(told).toBeInstanceOf(Promise)
    expect(decodeJwt(await told)).toMatchObject({ grant: 's:0' })
  })
})
