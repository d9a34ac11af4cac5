import { describe, expect, it } from 'vitest'
import { boundaryWarnings } from '../../../src/command/lints/boundary-warnings.ts'
import { ACME, policy, type Vars } from '../../policy/support.ts'

const warned = (vars: Vars): readonly string[] =>
  boundaryWarnings(policy(vars), {}).map(({ path, message }) => `${path}: ${message}`)

const ISSUERS = { acme: { ...ACME, max_lifetime: '2h' } }
const read = { match: 'GET /v1/docs/{id}', scopes: ['docs:read'] }
const typed = { match: 'GET /v1/typed', scopes: [], agent_types: ['orchestrator'] }
/** Grants to tokens of two issuers, by the name of each and with the id that it makes. */
const granting = (...ids: readonly (readonly [issuer: string, id: string])[]): Vars => ({
  ISSUERS: Object.fromEntries(
    ['a', 'b'].map((one) => [
      one,
      { issuer: `https://${one}.example`, agent_prefix: `${one}/`, scopes_from: 'grants' },
    ]),
  ),
  GRANTS: ids.map(([issuer, id]) => ({ issuer, claims: {}, scopes: [], agent_id: id })),
})
const rules = (...ROUTES: readonly object[]): Vars => ({ ROUTES })

describe('a warning', () => {
  it.each<[string, Vars, ...string[]]>([
    [
      'for an admin scope on a wildcard that only reads',
      rules({ match: 'GET /v1/*', scopes: ['v1:admin'] }),
      'ROUTES[0].scopes: requires `v1:admin` of agents that only read',
    ],
    ...['admin_docs', 'docs-admin', 'docs_manage', 'price-list:admin', 'v1:admin-all'].map(
      (scope): [string, Vars, string] => [
        `for an admin scope that is written ${scope}`,
        rules({ match: 'GET /v1/*', scopes: [scope] }),
        `ROUTES[0].scopes: requires \`${scope}\` of agents that only read`,
      ],
    ),
    ...['docs-write', 'write_docs', 'admin_docs', 'docs_read_write', 'docs-readwrite'].map(
      (scope): [string, Vars, string] => [
        `for writing by any type with ${scope}`,
        rules({ match: 'POST /v1/docs', scopes: [scope] }, typed),
        'ROUTES[0]: has no agent_types, while other rules have',
      ],
    ),
    [
      'for one of several scopes that are all needed',
      rules({ match: 'GET,HEAD /v1/*', scopes: ['v1:read', 'root'] }),
      'ROUTES[0].scopes: requires `root`',
    ],
    [
      'for a scope that is a wildcard',
      rules({ match: 'GET /v1/*', scopes: ['docs:*'] }),
      'ROUTES[0].scopes: requires `docs:*`',
    ],
    [
      'for alternatives of which each is administrative',
      rules({ match: 'GET /v1/*', scopes: { any: ['v1.manage', 'owner'] } }),
      'ROUTES[0].scopes: requires `v1.manage`',
    ],
    [
      'for writing by any type where types count',
      rules({ match: 'POST /v1/docs', scopes: ['docs:write'] }, typed),
      'ROUTES[0]: has no agent_types, while other rules have',
    ],
    [
      'for deleting by any type',
      rules({ match: 'GET,DELETE /v1/docs/{id}', scopes: ['docs:delete:{id}'] }, typed),
      'ROUTES[0]: has no agent_types',
    ],
    [
      'for a rule whose tokens live long',
      { ISSUERS, ROUTES: [{ ...read, max_lifetime: '30m' }] },
      'ROUTES[0].max_lifetime: lets tokens live 30 minutes',
    ],
    [
      'for a scope that is declared for nothing',
      { ROUTES: [read], SCOPES: { 'docs:wirte': ['docs:raed'] } },
      'SCOPES["docs:wirte"]: opens nothing',
    ],
    [
      'for an included scope that nothing asks for',
      { ROUTES: [read], SCOPES: { 'docs:all': ['docs:read', 'docs:del'] } },
      'SCOPES["docs:all"][1]: `docs:del` opens nothing',
    ],
    [
      'for an included wildcard that nothing falls under',
      { ROUTES: [read], SCOPES: { 'docs:all': ['docs:read', 'files:*'] } },
      'SCOPES["docs:all"][1]: `files:*` opens nothing',
    ],
    [
      'for two ids that differ in claims alone',
      granting(['a', 'gh:{repository_id}'], ['b', 'x'], ['a', 'gh:{repository_owner_id}']),
      'GRANTS[2].agent_id: makes the same id as GRANTS[0] from other claims',
    ],
    [
      'for methods that an earlier parameter takes',
      rules(read, { match: 'GET,POST /v1/docs/special', scopes: ['special'] }),
      'ROUTES[1].match: `GET /v1/docs/{id}` comes before `GET,POST /v1/docs/special`, which is more specific, and matches GET;',
    ],
    [
      'for methods that an earlier rest takes',
      rules(
        { match: 'GET /v1/*', scopes: ['all:read'] },
        { match: '* /v1/docs/{id}', scopes: ['docs'] },
      ),
      'ROUTES[1].match: `GET /v1/*` comes before `* /v1/docs/{id}`',
    ],
    [
      'for a suffix that an earlier parameter takes',
      rules(
        { match: 'POST /v1/models/{m}', scopes: ['a'] },
        { match: 'GET,POST /v1/models/{m}:run', scopes: ['b'] },
      ),
      'matches POST;',
    ],
    [
      'for a part below a literal',
      rules(
        { match: 'GET /v1/{kind}/{id}', scopes: ['a'] },
        { match: 'GET /v1/docs/*', scopes: ['b'] },
      ),
      'ROUTES[1].match: `GET /v1/{kind}/{id}` comes before `GET /v1/docs/*`, which is more specific, and matches a part of it;',
    ],
    [
      'for a path that goes elsewhere on one host',
      rules({ match: 'GET /v1/*', host: 'b.example.com', scopes: ['b'] }, read),
      'ROUTES[1].match: `GET /v1/*` on b.example.com comes before `GET /v1/docs/{id}`, which is more specific, and matches a part of it there;',
    ],
  ])('%s', (_, vars, ...expected) => {
    const found = warned(vars)
    expect(found).toHaveLength(expected.length)
    for (const [i, text] of expected.entries()) expect(found[i]).toContain(text)
  })
})

describe('no warning', () => {
  it.each<[string, Vars]>([
    ['for one id by two grants', granting(['a', 'gh:{x}'], ['a', 'gh:{x}'])],
    ['for an id as another issuer has it', granting(['a', 'gh:{x}'], ['b', 'gh:{y}'])],
    ['for ids with other texts', granting(['a', 'gh:{x}'], ['a', 'env:{y}'], ['a', 'gh:{x}:{y}'])],
    ['for reading with a scope that reads', rules({ match: 'GET /v1/*', scopes: ['v1:read'] })],
    [
      'for a scope that only reads what is administrative',
      rules({ match: 'GET /v1/admin/*', scopes: ['admin:read'] }),
    ],
    [
      'for an admin scope that is one way of two',
      rules({ match: 'GET /v1/*', scopes: { any: ['v1:read', 'v1:admin'] } }),
    ],
    ['for an admin scope on a path', rules({ match: 'GET /v1/admin', scopes: ['admin'] })],
    [
      'for an admin scope where more than reading is done',
      rules({ match: '* /v1/admin/*', scopes: ['admin'] }),
    ],
    [
      'for a word that only begins so',
      rules({ match: 'GET /v1/*', scopes: ['administrators-list:names', 'ownership'] }),
    ],
    ...[
      'root-cause',
      'task_manager:use',
      'co-owner',
      'read_admin',
      'admin-read',
      'list_admins',
      'non-admin',
      'badminton-club',
    ].map((scope): [string, Vars] => [
      `for reading with ${scope}`,
      rules({ match: 'GET /v1/*', scopes: [scope] }),
    ]),
    ...['docs-read', 'no-write', 'root_cause', 'writer-club', 'updates-feed'].map(
      (scope): [string, Vars] => [
        `for a call by POST with ${scope}`,
        rules({ match: 'POST /v1/docs', scopes: [scope] }, typed),
      ],
    ),
    ['for public rules', rules({ match: 'GET /v1/*', access: 'public' })],
    [
      'for writing by any type where no rule has types',
      rules({ match: 'POST /v1/docs', scopes: ['docs:write'] }),
    ],
    [
      'for writing by types that are named',
      rules({ match: 'POST /v1/docs', scopes: ['docs:write'], agent_types: ['sub-agent'] }, typed),
    ],
    [
      'for a call by POST with a scope that writes nothing',
      rules({ match: 'POST /v1/search', scopes: ['search'] }, typed),
    ],
    [
      'for reading with a scope that may also write',
      rules({ match: 'GET /v1/docs', scopes: ['docs:write'] }, typed),
    ],
    ['for tokens that live 15 minutes', { ISSUERS, ROUTES: [{ ...read, max_lifetime: '15m' }] }],
    [
      'for a role that includes what is asked for',
      { ROUTES: [read], SCOPES: { editor: ['docs:write'], 'docs:write': ['docs:read'] } },
    ],
    [
      'for what a template asks for',
      {
        ROUTES: [{ ...read, scopes: ['docs:read:{id}'] }],
        SCOPES: { vip: ['docs:read:42'], all: ['docs:*'] },
      },
    ],
    [
      'for a wildcard that something falls under',
      { ROUTES: [read], SCOPES: { 'docs:all': ['docs:*'] } },
    ],
    [
      'for special rules that come first',
      rules({ match: 'GET,POST /v1/docs/special', scopes: ['special'] }, read, {
        match: 'GET /v1/*',
        scopes: ['x'],
      }),
    ],
    [
      'for the other methods of the same path',
      rules(read, { match: '* /v1/docs/{name}', scopes: ['docs:all'] }),
    ],
    [
      'for what is behind and asks for the same',
      rules(read, { match: 'GET,POST /v1/docs/special', scopes: ['docs:read'] }),
    ],
    [
      'for paths that only meet',
      rules(
        { match: 'GET /v1/{kind}/settings', scopes: ['a'] },
        { match: 'GET /v1/users/{id}', scopes: ['b'] },
      ),
    ],
    [
      'for a collection beside what is below it',
      rules({ match: 'GET /v1/*', scopes: ['a'] }, { match: 'GET,POST /v1', scopes: ['b'] }),
    ],
    [
      'for the last rule of a host',
      rules({ match: 'GET /*', host: 'b.example.com', scopes: ['b'] }, read),
    ],
    [
      'for another host',
      rules(
        { match: 'GET /v1/*', host: 'b.example.com', scopes: ['b'] },
        { ...read, host: 'api.example.com' },
      ),
    ],
    [
      'for an ordinary policy',
      {
        ROUTES: [
          { match: 'POST /v1/chat/completions', scopes: ['chat:write'] },
          {
            match: 'GET /v1/documents/{id}',
            scopes: { any: ['documents:read', 'documents:read:{id}'] },
          },
        ],
        SCOPES: { 'documents:write': ['documents:read'] },
      },
    ],
  ])('%s', (_, vars) => {
    expect(warned(vars)).toEqual([])
  })
})

it('names rules by where they are written', () => {
  const vars = rules({ match: 'GET /v1/*', scopes: ['root'] })
  expect(boundaryWarnings(policy(vars), { routePaths: ['ROUTES_01[3]'] })).toMatchObject([
    { path: 'ROUTES_01[3].scopes' },
  ])
})

it('ends where scopes are declared in terms of each other by wildcards', () => {
  const SCOPES = { 'a:1': ['a:*'], 'a:*': ['a:2'] }
  expect(warned({ ROUTES: [read], SCOPES }).length).toBeGreaterThan(0)
})
