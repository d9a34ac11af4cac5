import { describe, expect, it } from 'vitest'
import { mismatchOf } from '../../../../src/gate/guard/checks/renewal.ts'

type Bearer = Parameters<typeof mismatchOf>[0]

/** Every value of each thing that must be equal. */
const VALUES = {
  rule: ['GET /a', 'GET /b'],
  issuer: ['https://a.example', 'https://b.example'],
  agent: ['a', 'b'],
  subject: [undefined, 'alice', 'bob'],
  client: [undefined, 'a', 'b'],
  actors: [
    [],
    [{ sub: 'x', issuer: 'y' }],
    [{ sub: 'y', issuer: 'x' }],
    [
      { sub: 'x', issuer: 'y' },
      { sub: 'z', issuer: 'y' },
    ],
  ],
  key: [undefined, { jkt: 'a' }, { jkt: 'b' }, { 'x5t#S256': 'a' }, { jkt: 'a', 'x5t#S256': 'a' }],
} as const
type Holder = { readonly [Name in keyof typeof VALUES]: (typeof VALUES)[Name][number] }

const FIRST = Object.fromEntries(
  Object.entries(VALUES).map(([name, [first]]) => [name, first]),
) as Holder

const bearerOf = (holder: Holder, scopes: readonly string[] = ['read']): Bearer =>
  ({
    route: { name: holder.rule },
    access: {
      issuer: holder.issuer,
      subject: holder.subject,
      clientId: holder.client,
      scopes,
      claims: holder.key ? { cnf: holder.key } : {},
    },
    agent: { id: holder.agent, actors: holder.actors },
  }) as unknown as Bearer

describe('the holder of a new token', () => {
  it.each(Object.keys(VALUES) as (keyof typeof VALUES)[])('has the same %s', (name) => {
    for (const before of VALUES[name]) {
      for (const after of VALUES[name]) {
        const [old, next] = [before, after].map((value) => bearerOf({ ...FIRST, [name]: value }))
        const expected = before === after ? undefined : name
        expect(mismatchOf(old as Bearer, next as Bearer)).toBe(expected)
      }
    }
  })

  it('may have its key written in another order', () => {
    const key = { jkt: 'a', 'x5t#S256': 'b' }
    const turned = { 'x5t#S256': 'b', jkt: 'a' }
    const of = (one: object) => bearerOf({ ...FIRST, key: one as Holder['key'] })
    expect(mismatchOf(of(key), of(turned))).toBeUndefined()
  })

  it.each([
    [['read'], ['read'], undefined],
    [['read'], ['write', 'read'], undefined],
    [['read', 'write'], ['read'], 'scopes'],
    [[], [], undefined],
    [['read'], [], 'scopes'],
  ])('with scopes %j may have %j: %s', (before, after, expected) => {
    expect(mismatchOf(bearerOf(FIRST, before), bearerOf(FIRST, after))).toBe(expected)
  })
})
