import { describe, expect, it } from 'vitest'
import { claimPathText } from '../../../src/gate/model/claims.ts'
import { PROFILES, type Profile } from '../../../src/gate/policy/keys/profiles.ts'
import { readPolicy } from '../../../src/gate/policy/policy.ts'
import { showPolicy } from '../../../src/gate/policy/show.ts'
import { ACME, ENV, GATE, mistakes, parse, policy } from './support.ts'

const ISSUERS = {
  acme: { ...ACME, agent_prefix: 'acme/', scopes_from: 'both' },
  idp: { issuer: 'https://idp.example', agent_prefix: 'idp/', scopes_from: 'grants' },
  plain: { issuer: 'https://plain.example', agent_prefix: 'plain/' },
}
const GRANT = { issuer: 'idp', claims: { groups: 'readers' }, scopes: ['chat:write'] }
const of = (...GRANTS: readonly unknown[]) => mistakes({ ISSUERS, GRANTS })

describe('a grant', () => {
  it('is of the issuer that it names, in file order', () => {
    const other = { ...GRANT, claims: {}, agent_type: 'ci', agent_id: 'gh:{repository_id}' }
    const { issuers } = policy({ ISSUERS, GRANTS: [GRANT, { ...GRANT, issuer: 'acme' }, other] })
    const [acme, idp, plain] = [...issuers.values()]
    expect(acme?.grants?.map(({ name }) => name)).toEqual(['GRANTS[1]'])
    expect(idp?.grants?.map(({ name }) => name)).toEqual(['GRANTS[0]', 'GRANTS[2]'])
    expect(idp?.grants?.[1]).toMatchObject({
      agentType: 'ci',
      agentId: { source: 'gh:{repository_id}' },
    })
    expect(plain).not.toHaveProperty('grants')
    expect([acme, idp, plain].map((one) => one?.scopesFrom)).toEqual(['both', 'grants', undefined])
  })

  it('may stand in a variable of its own, by whose name it is told', () => {
    const vars = { GATE, ISSUERS, ROUTES: [{ match: 'GET /a', scopes: [] }] }
    const read = readPolicy({ ...vars, GRANTS: [GRANT], GRANTS_CI: JSON.stringify([GRANT]) }, ENV)
    if (!read.ok) throw new Error(JSON.stringify(read.reason))
    const [, idp] = [...read.value.policy.issuers.values()]
    expect(idp?.grants?.map(({ name }) => name)).toEqual(['GRANTS[0]', 'GRANTS_CI[0]'])
    const broken = readPolicy(
      { ...vars, GRANTS_CI: [{ ...GRANT, scope: [] }], GRANT: [GRANT] },
      ENV,
    )
    expect(broken).toMatchObject({
      ok: false,
      reason: [
        { path: 'GRANT', message: 'is not read; did you mean `GRANTS` (or `GRANTS_…`)?' },
        { path: 'GRANTS_CI[0].scope' },
      ],
    })
  })

  it('is shown as it is written, by where; to an administrator of one issuer only those of it', () => {
    const named = { ...GRANT, agent_type: 'ci', agent_id: 'job:{/a~1b/c}:{n}' }
    const read = policy({ ISSUERS, GRANTS: [named, { ...GRANT, issuer: 'acme' }] })
    expect(showPolicy(read).grants).toEqual({
      'GRANTS[0]': named,
      'GRANTS[1]': { ...GRANT, issuer: 'acme' },
    })
    expect(showPolicy(read, ACME.issuer).grants).toEqual({
      'GRANTS[1]': { ...GRANT, issuer: 'acme' },
    })
    expect(showPolicy(policy())).not.toHaveProperty('grants')
    expect(showPolicy(policy()).issuers.acme).toMatchObject({ scopes_from: 'token' })
  })

  it.each<[change: object, path: string, says: string]>([
    [
      { issuer: 'ipd' },
      'issuer',
      'unknown issuer `ipd`; did you mean `idp`? Allowed: `acme`, `idp`',
    ],
    [{ issuer: 'plain' }, 'issuer', '`plain` takes no grants; write scopes_from = "grants"'],
    [{ scopes: [] }, '', 'gives nothing: write scopes, agent_type or agent_id'],
    [{ scopes: ['edgewarden:revoke'] }, 'scopes[0]', "for the gate's own endpoints"],
    [{ scopes: ['docs:{id}'] }, 'scopes[0]', 'a template cannot be used here'],
    [{ scopes: ['a b'] }, 'scopes[0]', 'Two scopes? Write two texts: "a", "b"'],
    [{ claims: { ref: { pattern: '(a+)+' } } }, 'claims.ref', 'repeat'],
    [{ agent_type: '' }, 'agent_type', 'must be non-empty text'],
    ...['{a}{b}', '{a}-{b}'].map((agent_id): [object, string, string] => [
      { agent_id },
      'agent_id',
      'put a character like : between two parameters',
    ]),
    ...['{environment}', 'env{environment}', 'a-{a}', '{a}:{b}'].map(
      (agent_id): [object, string, string] => [
        { agent_id },
        'agent_id',
        'begin with text of your own that ends in a character like :',
      ],
    ),
    [{ agent_id: 'a{b' }, 'agent_id', 'a claim path is written {name}'],
    [{ agent_id: 'a:{}' }, 'agent_id', '{} must be a claim path without empty names'],
    [{ agent_id: 'a:{act.sub}' }, 'agent_id', 'of an actor, which another issuer may have named'],
  ])('with %j is a mistake', (change, path, says) => {
    const where = path === '' ? 'GRANTS[1]: ' : `GRANTS[1].${path}: `
    const [first = '', ...others] = of(GRANT, { ...GRANT, ...change })
    expect([first.startsWith(where), others]).toEqual([true, []])
    expect(first).toContain(says)
  })

  it('says of which issuer an actor is, where actors of several are accepted', () => {
    const acme = { ...ISSUERS.acme, delegation: { issuers: ['plain'] } }
    const found = (claims: object, delegating: object = acme) =>
      mistakes({
        ISSUERS: { ...ISSUERS, acme: delegating },
        GRANTS: [{ issuer: 'acme', claims, scopes: ['chat:write'] }],
      })
    expect(found({ 'act.sub': 'planner' })).toEqual([
      'GRANTS[0].claims["act.sub"]: is of an actor, which may be of another issuer (`acme` has delegation.issuers): write act.iss too',
    ])
    expect(found({ '/act/sub': 'planner', 'act.iss': ACME.issuer })).toEqual([])
    expect(found({ 'act.sub': 'planner' }, ISSUERS.acme)).toEqual([])
    expect(found({ sub: 'planner' })).toEqual([])
  })
})

describe('an issuer that signs for everybody', () => {
  const GITHUB = {
    issuer: 'https://token.actions.githubusercontent.com',
    profile: 'generic',
    agent_id: 'repository_id',
    scopes_from: 'grants',
  }
  const OWNED = { issuer: 'github', claims: { repository_owner_id: '456' }, scopes: ['a'] }
  const ROUTES = [{ match: 'GET /a', scopes: ['a'] }]
  const found = (github: object, GRANTS: readonly unknown[], routes: readonly unknown[] = ROUTES) =>
    mistakes({ ISSUERS: { github: { ...GITHUB, ...github } }, GRANTS, ROUTES: routes })
  const told = (ways: string) => [
    `ISSUERS.github.claims: pins no owner, and this issuer signs for everybody: a workflow of any GitHub account can ask it for a token for this gate, and would get in by ${ways}. Write an id of the owner, which nobody else can take over, here or in each grant: claims = { repository_owner_id = "…" } (or repository_id, enterprise_id)`,
  ]
  const pinned = { claims: { repository_owner_id: '456' } }

  const open = { match: 'GET /b', scopes: [] }
  const granting = (claims: object) => [{ ...OWNED, claims }]

  it.each<[string, object, readonly unknown[], (readonly unknown[])?]>([
    ['its entry pins one owner', pinned, []],
    ['its entry lists owners', { claims: { repository_owner_id: ['456', '7'] } }, []],
    ['every grant pins one', {}, [OWNED, ...granting({ repository_id: '1' })]],
    ['nobody gets a scope, and each rule needs one', {}, []],
    ['it pins, and grants do not', pinned, granting({ ref: 'refs/heads/main' })],
    ['a rule without scopes pins by itself', {}, [OWNED], [{ ...open, ...pinned }]],
    ['a rule reads no token', {}, [OWNED], [...ROUTES, { match: 'GET /b', access: 'public' }]],
  ])('is no mistake where %s', (_name, github, grants, routes) => {
    expect(found(github, grants, routes)).toEqual([])
  })

  const OWN = 'the scopes that its token says'
  const ANY = 'GRANTS[0]; the rule `GET /b`, which asks for no scope'
  it.each<[string, string, object, readonly unknown[], (readonly unknown[])?]>([
    ['tokens say their own scopes', OWN, { scopes_from: 'token' }, []],
    ['tokens also say scopes', OWN, { scopes_from: 'both' }, [OWNED]],
    ['a grant names no owner', 'GRANTS[1]', {}, [OWNED, ...granting({ ref: 'refs/heads/main' })]],
    ['a grant fits every token', 'GRANTS[0]', {}, granting({})],
    ['a name can be taken over', 'GRANTS[0]', {}, granting({ repository_owner: 'octo-org' })],
    ['ids have a pattern', 'GRANTS[0]', {}, granting({ repository_owner_id: { pattern: '.*' } })],
    ['a stranger’s id may be empty', 'GRANTS[0]', {}, granting({ enterprise_id: ['456', ''] })],
    ['an id is none', 'GRANTS[0]', {}, granting({ repository_owner_id: false })],
    ['ids have a range', 'GRANTS[0]', {}, granting({ repository_owner_id: { min: 1 } })],
    ['a rule needs no scope', ANY, {}, granting({}), [...ROUTES, { ...open, access: 'optional' }]],
  ])('is a mistake where %s', (_name, ways, github, grants, routes) => {
    expect(found(github, grants, routes)).toEqual(told(ways))
  })

  const rows: readonly Profile[] = Object.values(PROFILES)
  const shared = rows.flatMap((row) => row.shared ?? [])
  it.each(shared.flatMap(({ issuers, ...row }) => issuers.map((issuer) => ({ issuer, ...row }))))(
    'may be $issuer, with each of its ids and not without',
    ({ issuer, pins, strangers }) => {
      expect(found({ issuer }, [{ ...OWNED, claims: { ref: 'main' } }])[0]).toContain(strangers)
      for (const pin of pins) {
        expect(found({ issuer, claims: { [claimPathText(pin)]: '1' } }, [])).toEqual([])
      }
    },
  )

  it('is known by its iss, whatever the profile; another installation is not shared', () => {
    const own = { issuer: 'https://ghe.acme.example/_services/token', scopes_from: 'token' }
    expect(found(own, [])).toEqual([])
    expect(parse({ ISSUERS: { x: { issuer: GITHUB.issuer } }, ROUTES }).ok).toBe(false)
  })
})
