import { describe, expect, it } from 'vitest'
import { boundaryWarnings } from '../../../src/command/lints/boundary-warnings.ts'
import { ACME, policy, type Vars } from '../../gate/policy/support.ts'

const warned = (vars: Vars): readonly string[] =>
  boundaryWarnings(policy(vars), {}).map(({ path, message }) => `${path}: ${message}`)

/** Rules in short: `GET /a = x y` asks for both scopes, `GET /a = x | y` for one, `@b` is a host, `=` alone is public. */
const rules = (...lines: readonly string[]): Vars => ({
  ROUTES: lines.map((line) => {
    const [, match = '', host, scopes = ''] = /^(\S+ \S+)(?: @(\S+))? =(.*)$/.exec(line) ?? []
    const names = scopes.split(/[ |]+/).filter((name) => name !== '')
    return {
      match,
      ...(host && { host }),
      ...(names.length === 0
        ? { access: 'public' }
        : { scopes: scopes.includes('|') ? { any: names } : names }),
    }
  }),
})
const typed = { match: 'GET /v1/typed', scopes: [], agent_types: ['orchestrator'] }
/** The same beside a rule that asks for a type. */
const beside = (...lines: readonly string[]): Vars => ({
  ROUTES: [...(rules(...lines).ROUTES ?? []), typed],
})
const READ = 'GET /v1/docs/{id} = docs:read'
const lives = (max_lifetime: string): Vars => ({
  ISSUERS: { acme: { ...ACME, max_lifetime: '2h' } },
  ROUTES: [{ match: 'GET /v1/docs/{id}', scopes: ['docs:read'], max_lifetime }],
})
const scoped = (SCOPES: object, line = READ): Vars => ({ ...rules(line), SCOPES })
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

const ANY_TYPE = 'ROUTES[0]: has no agent_types, while other rules have'
const requires = (scope: string) =>
  `ROUTES[0].scopes: requires \`${scope}\` of agents that only read`
const follows = (first: string, second: string, more: string) =>
  `ROUTES[1].match: \`${first}\` comes before \`${second}\`, which is more specific, and matches ${more};`

describe('a warning is given', () => {
  it.each<[string, Vars, string]>([
    ...['v1:admin', 'admin_docs', 'docs-admin', 'docs_manage', 'v1:admin-all', 'docs:*'].map(
      (scope): [string, Vars, string] => [
        `where reading asks for ${scope}`,
        rules(`GET /v1/* = ${scope}`),
        requires(scope),
      ],
    ),
    ['where one of several needed scopes is', rules('GET,HEAD /v1/* = v1:read root'), '`root`'],
    ['where each alternative is', rules('GET /v1/* = v1.manage | owner'), requires('v1.manage')],
    ...['docs:write', 'docs-write', 'write_docs', 'docs_read_write', 'docs-readwrite'].map(
      (scope): [string, Vars, string] => [
        `where any type may write with ${scope}`,
        beside(`POST /v1/docs = ${scope}`),
        ANY_TYPE,
      ],
    ),
    ['where any type may delete', beside('GET,DELETE /v1/docs/{id} = docs:delete:{id}'), ANY_TYPE],
    ['where tokens of a rule live long', lives('30m'), 'max_lifetime: lets tokens live 30 minutes'],
    ['of a scope for nothing', scoped({ wirte: ['docs:raed'] }), 'SCOPES.wirte: opens nothing'],
    [
      'of an included scope for nothing',
      scoped({ 'docs:all': ['docs:read', 'docs:del'] }),
      'SCOPES["docs:all"][1]: `docs:del` opens nothing',
    ],
    [
      'of an included wildcard for nothing',
      scoped({ 'docs:all': ['docs:read', 'files:*'] }),
      'SCOPES["docs:all"][1]: `files:*` opens nothing',
    ],
    [
      'of two ids that differ in claims alone',
      granting(['a', 'gh:{repository_id}'], ['b', 'x'], ['a', 'gh:{repository_owner_id}']),
      'GRANTS[2].agent_id: makes the same id as GRANTS[0] from other claims',
    ],
    [
      'where an earlier parameter takes a method',
      rules(READ, 'GET,POST /v1/docs/special = special'),
      follows('GET /v1/docs/{id}', 'GET,POST /v1/docs/special', 'GET'),
    ],
    [
      'where an earlier rest takes a method',
      rules('GET /v1/* = all:read', '* /v1/docs/{id} = docs'),
      'ROUTES[1].match: `GET /v1/*` comes before `* /v1/docs/{id}`',
    ],
    [
      'where an earlier parameter takes a suffix',
      rules('POST /v1/models/{m} = a', 'GET,POST /v1/models/{m}:run = b'),
      'matches POST;',
    ],
    [
      'where an earlier rule takes a part below a literal',
      rules('GET /v1/{kind}/{id} = a', 'GET /v1/docs/* = b'),
      follows('GET /v1/{kind}/{id}', 'GET /v1/docs/*', 'a part of it'),
    ],
    [
      'where a path goes elsewhere on one host',
      rules('GET /v1/* @b.example.com = b', READ),
      'ROUTES[1].match: `GET /v1/*` on b.example.com comes before `GET /v1/docs/{id}`',
    ],
  ])('%s', (_, vars, expected) => {
    expect(warned(vars)).toEqual([expect.stringContaining(expected)])
  })
})

describe('no warning is given', () => {
  it.each<[string, Vars]>([
    ...['v1:read', 'administrators-list:names ownership', 'root-cause', 'task_manager:use'].map(
      (scope): [string, Vars] => [`where reading asks for ${scope}`, rules(`GET /v1/* = ${scope}`)],
    ),
    ...['co-owner', 'read_admin', 'admin-read', 'list_admins', 'non-admin', 'badminton-club'].map(
      (scope): [string, Vars] => [`where reading asks for ${scope}`, rules(`GET /v1/* = ${scope}`)],
    ),
    ['where a scope reads what is administrative', rules('GET /v1/admin/* = admin:read')],
    ['where an admin scope is one way of two', rules('GET /v1/* = v1:read | v1:admin')],
    ['where an admin scope is for a path', rules('GET /v1/admin = admin')],
    ['where more than reading is done', rules('* /v1/admin/* = admin')],
    ...['docs-read', 'no-write', 'root_cause', 'writer-club', 'updates-feed', 'search'].map(
      (scope): [string, Vars] => [`where POST asks for ${scope}`, beside(`POST /v1/x = ${scope}`)],
    ),
    ['of a public rule', rules('GET /v1/* =')],
    ['where no rule has types', rules('POST /v1/docs = docs:write')],
    [
      'where types are named',
      { ROUTES: [{ match: 'POST /v1/x', scopes: ['x:write'], agent_types: ['a'] }, typed] },
    ],
    ['where reading asks for a scope that may also write', beside('GET /v1/docs = docs:write')],
    ['of tokens that live 15 minutes', lives('15m')],
    ['of a role', scoped({ editor: ['docs:write'], 'docs:write': ['docs:read'] })],
    [
      'of what a template asks for',
      scoped({ vip: ['docs:read:42'], all: ['docs:*'] }, 'GET /v1/{id} = docs:read:{id}'),
    ],
    ['of a wildcard that something falls under', scoped({ 'docs:all': ['docs:*'] })],
    ['of one id by two grants', granting(['a', 'gh:{x}'], ['a', 'gh:{x}'])],
    ['of an id as another issuer has it', granting(['a', 'gh:{x}'], ['b', 'gh:{y}'])],
    ['of ids with other texts', granting(['a', 'gh:{x}'], ['a', 'env:{y}'], ['a', 'gh:{x}:{y}'])],
    [
      'where special rules come first',
      rules('GET,POST /v1/docs/special = special', READ, 'GET /v1/* = x'),
    ],
    ['of other methods of a path', rules(READ, '* /v1/docs/{name} = docs:all')],
    ['where the later rule asks the same', rules(READ, 'GET,POST /v1/docs/special = docs:read')],
    ['where paths only meet', rules('GET /v1/{kind}/settings = a', 'GET /v1/users/{id} = b')],
    ['of a collection', rules('GET /v1/* = a', 'GET,POST /v1 = b')],
    ['of the last rule of a host', rules('GET /* @b.example.com = b', READ)],
    [
      'of another host',
      rules('GET /v1/* @b.example.com = b', 'GET /v1/docs/{id} @api.example.com = docs:read'),
    ],
  ])('%s', (_, vars) => {
    expect(warned(vars)).toEqual([])
  })
})

it('a warning names a rule by where it is written', () => {
  const vars = rules('GET /v1/* = root')
  expect(boundaryWarnings(policy(vars), { routePaths: ['ROUTES_01[3]'] })).toMatchObject([
    { path: 'ROUTES_01[3].scopes' },
  ])
})

it('scopes that are declared in terms of each other by wildcards come to an end', () => {
  expect(warned(scoped({ 'a:1': ['a:*'], 'a:*': ['a:2'] })).length).toBeGreaterThan(0)
})
