import { describe, expect, it } from 'vitest'
import type { ProofPorts } from '../../../src/gate/guard/possession/method.ts'
import { METHODS, possession, schemeOf } from '../../../src/gate/guard/stages/possession.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import {
  accessOf,
  addressOf,
  clock,
  codeOf,
  credentialOf,
  policyOf,
  RESOURCE,
  requestTo,
  routeOf,
} from '../../kit/facts.ts'

const PORTS: ProofPorts = { clock }
const ROUTE: Route = routeOf('GET /x')

const needs = (claims: object, scheme = 'Bearer') => ({
  request: requestTo(`${RESOURCE}/x`),
  policy: policyOf(),
  route: ROUTE,
  address: addressOf(`${RESOURCE}/x`),
  credential: credentialOf({ scheme }),
  access: accessOf({ claims: { ...claims } }),
})

it.each([
  [{}, 'ok'],
  [{ cnf: { jkt: 'x' } }, 'token_bound'],
  [{ cnf: { jwk: {} } }, 'token_bound'],
  [{ cnf: { jkt: 'x', jwk: {} } }, 'confirmation_unsupported'],
  [{ cnf: { 'x5t#S256': 'x' } }, 'certificate_missing'],
  [{ cnf: { 'x5t#S256': 'x', jkt: 'x' } }, 'confirmation_unsupported'],
  [{ cnf: { unheard_of: 1 } }, 'confirmation_unsupported'],
  [{ cnf: { __proto__: 1, toString: 1 } }, 'confirmation_unsupported'],
  [{ cnf: {} }, 'confirmation_unsupported'],
  [{ cnf: [] }, 'confirmation_unsupported'],
  [{ cnf: null }, 'confirmation_unsupported'],
  [{ cnf: false }, 'confirmation_unsupported'],
  [{ cnf: undefined }, 'confirmation_unsupported'],
])('with the claims %j: %s', async (claims, code) => {
  const outcome = await possession.run(needs(claims), PORTS)
  expect(codeOf(outcome)).toBe(code)
  expect(possession.without?.(needs(claims))).toEqual(
    code === 'ok' ? { possession: 'bearer', proof: undefined } : undefined,
  )
  if (outcome.ok) expect(outcome.value).toEqual({ possession: 'bearer', proof: undefined })
})

it.each(['route', 'issuer'])(
  'a token without a key is refused where the %s requires one',
  async (by) => {
    const { route, access, ...facts } = needs({})
    const possessionOf = { possession: 'required' } as const
    const asked =
      by === 'route'
        ? { ...facts, access, route: { ...route, ...possessionOf } }
        : { ...facts, route, access: { ...access, entry: { ...access.entry, ...possessionOf } } }
    expect(codeOf(await possession.run(asked, PORTS))).toBe('possession_required')
    expect(possession.without?.(asked)).toBeUndefined()
  },
)

it.each([
  ['x', 'x', 'Bearer', 'ok'],
  ['x', 'y', 'Bearer', 'certificate_mismatch'],
  ['x', undefined, 'Bearer', 'certificate_missing'],
  ['x', 'x', 'DPoP', 'token_not_bound'],
  [['x'], 'x', 'Bearer', 'certificate_mismatch'],
])(
  'a token bound to certificate %j, with %j and %s: %s',
  async (bound, certificate, scheme, code) => {
    const facts = { ...needs({ cnf: { 'x5t#S256': bound } }, scheme), connection: { certificate } }
    const outcome = await possession.run(facts, PORTS)
    expect(codeOf(outcome)).toBe(code)
    if (outcome.ok) expect(outcome.value).toMatchObject({ possession: 'mtls', proof: undefined })
  },
)

describe('a method', () => {
  it('is for its scheme only', async () => {
    expect(codeOf(await possession.run(needs({}, 'DPoP'), PORTS))).toBe('token_not_bound')
  })

  it('is found by its scheme in any case', () => {
    expect(['Bearer', 'bearer', 'BEARER', 'Basic', ''].map(schemeOf)).toEqual([
      'Bearer',
      'Bearer',
      'Bearer',
      undefined,
      undefined,
    ])
  })

  it('of several has a pair of scheme and member of its own', () => {
    const all: readonly { scheme: string; member?: string }[] = METHODS
    const pairs = all.map(({ scheme, member }) => JSON.stringify([scheme.toLowerCase(), member]))
    expect(new Set(pairs).size).toBe(all.length)
  })
})
