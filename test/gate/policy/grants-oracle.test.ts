import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { accessOf } from '../../../src/gate/guard/stages/claims.ts'
import { identityOf } from '../../../src/gate/guard/stages/identity.ts'
import type { VerifiedToken } from '../../../src/gate/model/token.ts'
import { tries } from '../../kit/property.ts'
import { policy } from './support.ts'

type Json = Readonly<Record<string, unknown>>

/** A grant as written. */
interface Grant {
  readonly claims: Json
  readonly scopes: readonly string[]
  readonly agent_type?: string
  readonly agent_id?: string
}

const SCOPES = ['a', 'b', 'c', 'd']
const TEXTS = ['1', '2', 'main', 'a:b', '']
const sometimes = <Value>(arbitrary: fc.Arbitrary<Value>, weight = 1) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight, arbitrary })

const expected = fc.oneof(
  fc.constantFrom<unknown>(...TEXTS, 1, 2, true),
  fc.uniqueArray(fc.constantFrom<unknown>(...TEXTS, 1, false), { minLength: 1, maxLength: 3 }),
  fc.constantFrom<unknown>({ pattern: '\\d' }, { pattern: 'm.*|a:b' }, { pattern: '' }),
  fc.constantFrom<unknown>({ min: 2 }, { max: 1 }, { min: 1, max: 2 }),
)
const PATHS = ['repo', 'ref', 'groups', 'k8s.ns']
const grant = fc
  .record({
    claims: fc.dictionary(fc.constantFrom(...PATHS), expected, { maxKeys: 2 }),
    scopes: fc.uniqueArray(fc.constantFrom(...SCOPES), { minLength: 1, maxLength: 2 }),
    agent_type: sometimes(fc.constantFrom('ci', 'pod')),
    agent_id: sometimes(fc.constantFrom('gh:{repo}', 'x:{ref}:{k8s.ns}', 'x:1:2', 'fixed')),
  })
  .map((one) => JSON.parse(JSON.stringify(one)) as Grant)
const scalar = fc.constantFrom<unknown>(...TEXTS, 1, 2, 2.5, true, null)
const token = fc
  .record({
    repo: sometimes(scalar, 9),
    ref: sometimes(scalar, 9),
    groups: sometimes(fc.array(scalar, { maxLength: 3 }), 9),
    k8s: sometimes(fc.record({ ns: sometimes(scalar, 9) }), 9),
    scope: sometimes(fc.constantFrom('a', 'b d', 'other', ''), 3),
    agent_type: sometimes(fc.constantFrom('person')),
  })
  .map((one) => JSON.parse(JSON.stringify(one)) as Json)

/** What a token gets, by what is written alone. */
const oracle = (grants: readonly Grant[], from: string, claims: Json) => {
  const read = (path: string) =>
    path.split('.').reduce<unknown>((value, name) => (value as Json | undefined)?.[name], claims)
  const one = (value: unknown, want: unknown) => {
    if (Array.isArray(want)) return want.includes(value)
    if (typeof want !== 'object' || want === null) return value === want
    const { pattern } = want as { pattern?: string }
    return typeof value === 'string' && new RegExp(`^(?:${pattern})$`, 'u').test(value)
  }
  const fits = (value: unknown, want: unknown) => {
    if (typeof want === 'object' && want !== null && ('min' in want || 'max' in want)) {
      const { min = -9, max = 9 } = want as { min?: number; max?: number }
      return typeof value === 'number' && value >= min && value <= max
    }
    return Array.isArray(value) ? value.some((item) => one(item, want)) : one(value, want)
  }
  const met = grants.filter(({ claims: wants }) =>
    Object.entries(wants).every(([path, want]) => fits(read(path), want)),
  )
  const own =
    from === 'grants'
      ? []
      : String(claims.scope ?? '')
          .split(' ')
          .filter(Boolean)
  const scopes = [...new Set([...own, ...met.flatMap((each) => each.scopes)])].sort()
  const ids = met.flatMap(({ agent_id: id }) => id ?? [])
  const filled = ids.map((id) => id.replace(/\{(.*?)\}/g, (_, path) => `<${read(path)}>`))
  const isBad = filled.some((id) => /<(?!(?:[\w.~-]+)>)|<undefined>|<null>|<true>|<2\.5>/.test(id))
  const types = [...new Set(met.flatMap(({ agent_type: type }) => type ?? []))]
  if (isBad) return { scopes, code: 'grant_value_invalid' }
  if (new Set(filled.map((id) => id.replace(/[<>]/g, ''))).size > 1 || types.length > 1) {
    return { scopes, code: 'grant_conflict' }
  }
  return {
    scopes,
    id: filled[0]?.replace(/[<>]/g, '') ?? 'app',
    type: types[0] ?? claims.agent_type,
  }
}

describe('random grants and tokens, against an oracle that reads the text', () => {
  it('give the same scopes, id and type, or are refused with the same code', () => {
    const seen = new Map<string, number>()
    const sets = fc.record({
      grants: fc.array(grant, { minLength: 1, maxLength: 6 }),
      from: fc.constantFrom('grants', 'both'),
      tokens: fc.array(token, { minLength: 5, maxLength: 5 }),
    })
    fc.assert(
      fc.property(sets, ({ grants, from, tokens }) => {
        const acme = { issuer: 'https://auth.acme.example', scopes_from: from }
        const GRANTS = grants.map((one) => ({ issuer: 'acme', ...one }))
        const [entry] = policy({ ISSUERS: { acme }, GRANTS }).issuers.values()
        for (const own of tokens) {
          const claims = { client_id: 'app', ...own }
          const access = accessOf({ claims, issuer: entry, key: {} } as unknown as VerifiedToken)
          if (!access) throw new Error('no scopes')
          const agent = identityOf(access, [])
          const scopes = [...access.scopes].sort()
          const got =
            typeof agent === 'string'
              ? { scopes, code: agent }
              : { scopes, id: agent.id, type: agent.type }
          const wanted = oracle(grants, from, claims)
          expect({ claims, grants, ...got }).toEqual({ claims, grants, ...wanted })
          const kind =
            'code' in wanted ? String(wanted.code) : wanted.id === 'app' ? 'own' : 'given'
          seen.set(kind, (seen.get(kind) ?? 0) + 1)
        }
      }),
      tries(50),
    )
    const kinds = ['given', 'grant_conflict', 'grant_value_invalid', 'own']
    expect([...seen.keys()].sort()).toEqual(kinds)
  })
})
