import { describe, expect, it } from 'vitest'
import type { Route } from '../../../src/core/model/route.ts'
import type { ProofPorts } from '../../../src/core/stages/possession/method.ts'
import { METHODS, possession, schemeOf } from '../../../src/core/stages/possession.ts'
import {
  accessOf,
  addressOf,
  clock,
  codeOf,
  credentialOf,
  noReplays,
  policyOf,
  RESOURCE,
  requestTo,
  routeOf,
} from '../../kit/facts.ts'

const PORTS: ProofPorts = { clock, replays: noReplays }
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
  [{ cnf: { jkt: 'x' } }, 'confirmation_unsupported'],
  [{ cnf: { 'x5t#S256': 'x' } }, 'confirmation_unsupported'],
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
    code === 'ok' ? { possession: 'bearer' } : undefined,
  )
  if (outcome.ok) expect(outcome.value).toEqual({ possession: 'bearer' })
})

describe('a method', () => {
  it('is for its scheme only', async () => {
    expect(codeOf(await possession.run(needs({}, 'DPoP'), PORTS))).toBe('confirmation_unsupported')
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

  it('of several has a name, and a pair of scheme and member, of its own', () => {
    const all: readonly { name: string; scheme: string; member?: string }[] = METHODS
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
    const pairs = all.map(({ scheme, member }) => JSON.stringify([scheme.toLowerCase(), member]))
    expect(new Set(pairs).size).toBe(all.length)
  })
})
