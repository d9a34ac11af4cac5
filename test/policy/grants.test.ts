import { describe, expect, it } from 'vitest'
import { claimPathText } from '../../src/gate/model/claims.ts'
import { PROFILES, type Profile } from '../../src/gate/policy/keys/profiles.ts'
import { readPolicy } from '../../src/gate/policy/policy.ts'
import { showPolicy } from '../../src/gate/policy/show.ts'
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

  it.each<[mistake: string, ...grants: readonly unknown[]]>([
    ['GRANTS[0]: must be a table', 'x'],
    ['GRANTS[0].issuer: is required', { claims: {}, scopes: ['a'] }],
    ['GRANTS[0].claims: is required', { issuer: 'idp', scopes: ['a'] }],
    ['GRANTS[0].scopes: is required', { issuer: 'idp', claims: {} }],
    [
      'GRANTS[0].issuer: unknown issuer `ipd`; did you mean `idp`? Allowed: `acme`, `idp`, `plain`',
      { ...GRANT, issuer: 'ipd' },
    ],
    [
      'GRANTS[1].issuer: `plain` takes no grants; write scopes_from = "grants" into its table, or "both" if the scopes of its tokens count too',
      GRANT,
      { ...GRANT, issuer: 'plain' },
    ],
    ['GRANTS[0]: gives nothing: write scopes, agent_type or agent_id', { ...GRANT, scopes: [] }],
    [
      "GRANTS[0].scopes[0]: `edgewarden:revoke`: scopes that begin with edgewarden: are for the gate's own endpoints",
      { ...GRANT, scopes: ['edgewarden:revoke'] },
    ],
    [
      'GRANTS[0].scopes[0]: `docs:{id}`: a template cannot be used here; write whole scopes',
      { ...GRANT, scopes: ['docs:{id}'] },
    ],
    [
      'GRANTS[0].scopes[0]: `a b` has a space. Two scopes? Write two texts: "a", "b"',
      { ...GRANT, scopes: ['a b'] },
    ],
    [
      'GRANTS[0].agent_id: `{a}{b}`: put a character like : between two parameters, or two ids could be read as others',
      { ...GRANT, agent_id: '{a}{b}' },
    ],
    [
      'GRANTS[0].agent_id: `{a}-{b}`: put a character like : between two parameters, or two ids could be read as others',
      { ...GRANT, agent_id: '{a}-{b}' },
    ],
    ...['{environment}', 'env{environment}', 'a-{a}', '{a}:{b}'].map((id): [string, object] => [
      `GRANTS[0].agent_id: \`${id}\`: begin with text of your own that ends in a character like :, or a value could be the id of another agent`,
      { ...GRANT, agent_id: id },
    ]),
    ['GRANTS[0].agent_id: `a{b`: a claim path is written {name}', { ...GRANT, agent_id: 'a{b' }],
    [
      'GRANTS[0].agent_id: `a:{}`: {} must be a claim path without empty names, like `agent.id`, `/agent/id` or a URL',
      { ...GRANT, agent_id: 'a:{}' },
    ],
    [
      'GRANTS[0].agent_id: `a:{act.sub}`: {act.sub} is of an actor, which another issuer may have named',
      { ...GRANT, agent_id: 'a:{act.sub}' },
    ],
    [
      'GRANTS[0].agent_type: must be non-empty text without control characters',
      { ...GRANT, agent_type: '' },
    ],
  ])('%s', (mistake, ...grants) => {
    expect(of(...grants)).toEqual([mistake])
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

  it('has patterns that take linear time, as those of rules', () => {
    const [mistake = ''] = of({ ...GRANT, claims: { ref: { pattern: '(a+)+' } } })
    expect(mistake).toMatch(/^GRANTS\[0\]\.claims\.ref: /)
  })

  it('is one of a list', () => {
    expect(mistakes({ ISSUERS, GRANTS: GRANT } as never)).toEqual([
      'GRANTS: must be a list of tables: [[vars.GRANTS]]',
    ])
  })
})

describe('an issuer whose scopes come from grants', () => {
  it('cannot administer: no grant gives scopes for that', () => {
    const idp = { ...ISSUERS.idp, admin: 'own' }
    expect(mistakes({ ISSUERS: { ...ISSUERS, idp } })).toEqual([
      'ISSUERS.idp.admin: has no effect with scopes_from = "grants": no grant gives edgewarden: scopes',
    ])
    expect(mistakes({ ISSUERS: { acme: { ...ISSUERS.acme, admin: 'own' } } })).toEqual([])
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

  it.each<[string, object, readonly unknown[], (readonly unknown[])?]>([
    ['its entry pins one owner', pinned, []],
    ['its entry lists owners', { claims: { repository_owner_id: ['456', '7'] } }, []],
    [
      'every grant pins one, by whichever id',
      {},
      [OWNED, { ...OWNED, claims: { repository_id: '1' } }],
    ],
    ['nobody gets a scope, and each rule needs one', {}, []],
    ['it pins, and grants do not', pinned, [{ ...OWNED, claims: { ref: 'refs/heads/main' } }]],
    [
      'a rule without scopes pins by itself',
      {},
      [OWNED],
      [{ match: 'GET /a', scopes: [], ...pinned }],
    ],
    [
      'a rule without scopes takes other tokens',
      {},
      [OWNED],
      [...ROUTES, { match: 'GET /b', access: 'public' }],
    ],
  ])('is no mistake where %s', (_name, github, grants, routes) => {
    expect(found(github, grants, routes)).toEqual([])
  })

  it.each<[string, string, object, readonly unknown[], (readonly unknown[])?]>([
    ['tokens say their own scopes', 'the scopes that its token says', { scopes_from: 'token' }, []],
    ['tokens also say scopes', 'the scopes that its token says', { scopes_from: 'both' }, [OWNED]],
    [
      'a grant names no owner',
      'GRANTS[1]',
      {},
      [OWNED, { ...OWNED, claims: { ref: 'refs/heads/main' } }],
    ],
    ['a grant fits every token', 'GRANTS[0]', {}, [{ ...OWNED, claims: {} }]],
    [
      'a grant has a name, which can be taken over',
      'GRANTS[0]',
      {},
      [{ ...OWNED, claims: { repository_owner: 'octo-org' } }],
    ],
    [
      'a grant has a pattern of ids',
      'GRANTS[0]',
      {},
      [{ ...OWNED, claims: { repository_owner_id: { pattern: '.*' } } }],
    ],
    [
      'a grant has an empty id, as a stranger’s may be',
      'GRANTS[0]',
      {},
      [{ ...OWNED, claims: { enterprise_id: ['456', ''] } }],
    ],
    [
      'a grant has what is no id',
      'GRANTS[0]',
      {},
      [{ ...OWNED, claims: { repository_owner_id: false } }],
    ],
    [
      'a grant has a range of ids',
      'GRANTS[0]',
      {},
      [{ ...OWNED, claims: { repository_owner_id: { min: 1 } } }],
    ],
    [
      'a rule needs no scope',
      'GRANTS[0]; the rule `GET /b`, which asks for no scope',
      {},
      [{ ...OWNED, claims: {} }],
      [...ROUTES, { match: 'GET /b', scopes: [], access: 'optional' }],
    ],
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
