import { describe, expect, it } from 'vitest'
import { challenge } from '../../../src/gate/answer/challenge.ts'
import type { Answer, Denial, DenialParams } from '../../../src/gate/base/denial.ts'
import { routeOf, scopesOf } from '../../kit/facts.ts'
import { mcpFacts } from '../../kit/mcp-facts.ts'

const denialOf = (answer: Answer, params?: DenialParams): Denial => ({
  code: 'a_code',
  answer,
  summary: 'It is so',
  hint: 'Do so',
  detail: { secret: 'detail-secret' },
  ...(params && { params }),
})

const METADATA = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'
const all = routeOf('GET /x', { scopes: scopesOf('all', 'a', 'b:{id}', 'c') })
const any = routeOf('GET /x', { scopes: scopesOf('any', 'b:{id}', 'a', 'c') })
const none = routeOf('GET /x')

const ALGS = 'algs="ES256 Ed25519 EdDSA PS256 RS256 ES384"'
/** The challenge of Bearer, and that of DPoP with the same parameters. */
const both = (bearer: string) => `${bearer}, ${bearer.replace('Bearer', 'DPoP')}, ${ALGS}`

describe('challenge', () => {
  it.each([
    ['unauthenticated', all, undefined, `Bearer realm="api.example.com", scope="a c", ${METADATA}`],
    ['unauthenticated', any, undefined, `Bearer realm="api.example.com", scope="a", ${METADATA}`],
    [
      'invalidToken',
      all,
      undefined,
      `Bearer realm="api.example.com", error="invalid_token", error_description="It is so", ${METADATA}`,
    ],
    [
      'insufficientScope',
      all,
      { requiredScopes: ['a', 'b:7', 'c'] },
      `Bearer realm="api.example.com", error="insufficient_scope", error_description="It is so", scope="a b:7 c", ${METADATA}`,
    ],
    [
      'insufficientScope',
      any,
      { anyOf: ['b:7', 'a'] },
      `Bearer realm="api.example.com", error="insufficient_scope", error_description="It is so", scope="b:7", ${METADATA}`,
    ],
    [
      'stepUp',
      all,
      { acrValues: ['urn:x:mfa', 'phr'], maxAge: 300 },
      `Bearer realm="api.example.com", error="insufficient_user_authentication", error_description="It is so", acr_values="urn:x:mfa phr", max_age="300", ${METADATA}`,
    ],
  ] as const)('of %s', (answer, route, params, value) => {
    expect(challenge(denialOf(answer, params), route)).toBe(both(value))
  })

  it('does not offer Bearer where a proof is required', () => {
    const route = { ...none, possession: 'required' } as const
    expect(challenge(denialOf('unauthenticated'), route)).toBe(
      `DPoP realm="api.example.com", ${METADATA}, ${ALGS}`,
    )
  })
})

it('names scopes that are offered to who has no token, and to nobody else', () => {
  const { route } = mcpFacts({ tools: { x: ['b'] }, offered_scopes: ['b', 'a'] }, { scopes: ['a'] })
  const offering = { ...route, resource: 'https://api.example.com' }
  expect(challenge(denialOf('unauthenticated'), offering)).toContain('scope="a b"')
  expect(challenge(denialOf('invalidToken'), offering)).not.toContain('scope=')
  const needed = { requiredScopes: ['a'] }
  expect(challenge(denialOf('insufficientScope', needed), offering)).toContain('scope="a"')
  const keeping = { anyOf: ['a', 'b'], heldScopes: ['c', 'a'] }
  expect(challenge(denialOf('insufficientScope', keeping), offering)).toContain('scope="a c"')
  const unset = mcpFacts({ tools: { x: ['b'] } }, { scopes: ['a'] }).route
  expect(challenge(denialOf('unauthenticated'), unset)).toContain('scope="a"')
})
