import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { check } from '../../../src/command/policy/check.ts'
import { ci } from '../../../src/command/policy/ci.ts'
import { diff } from '../../../src/command/policy/diff.ts'
import { importOpenApi } from '../../../src/command/policy/import.ts'
import { routes } from '../../../src/command/policy/routes.ts'
import { test } from '../../../src/command/tests/test.ts'
import { environmentToml, folder, PARTS, toml } from './kit.ts'
import { type Files, repository } from './repository.ts'

const directory = await folder()

const TEAMS = `[alias]
"edgewarden/policy" = "./.wrangler/edgewarden/policy.mjs"
[build]
command = "npx edgewarden check --write"
[vars.TEAMS.payments]
owner = "payments@acme.dev"
paths = ["/payments"]
[vars.TEAMS.search]
owner = "search@acme.dev"
paths = ["/search", "/payments/search"]`

const rule = (match: string, ...more: readonly string[]) =>
  ['[[routes]]', `match = "${match}"`, 'scopes = ["a:read"]', ...more, ''].join('\n')

const FILES: Files = {
  'wrangler.toml': toml({ more: TEAMS }),
  'routes/payments.toml': rule('GET /payments/{id}'),
  'routes/search.toml': rule('GET /search'),
}

/** Writes a project: these files, and others in their place. */
const project = async (changes: Files = {}, files: Files = FILES): Promise<string> => {
  const at = await mkdtemp(join(directory, 'project-'))
  for (const [name, text] of Object.entries({ ...files, ...changes })) {
    await mkdir(dirname(join(at, name)), { recursive: true })
    await writeFile(join(at, name), text)
  }
  return at
}

const checked = async (changes: Files, options: Parameters<typeof check>[0] = {}) => {
  const at = await project(changes)
  const outcome = await check({ ...options, file: join(at, 'wrangler.toml') })
  const err = outcome.err.map((line) =>
    line.replaceAll(`${relative('', at)}/`, '').replaceAll(`${at}/`, ''),
  )
  return { ...outcome, at, err }
}

describe('rules in files of teams', () => {
  it('are part of the policy, behind those of wrangler.toml', async () => {
    const { exitCode, err, at } = await checked({})
    expect([exitCode, err]).toEqual([0, []])
    const { out, json } = await routes({ file: join(at, 'wrangler.toml') })
    expect(out.map((line) => line.replace(/ .* /, ' … '))).toEqual([
      'MATCH … OWNER',
      'GET … -',
      'GET … payments@acme.dev',
      'GET … search@acme.dev',
    ])
    expect(json).toMatchObject({
      routes: [{ match: 'GET /a' }, { owner: 'payments@acme.dev' }, { owner: 'search@acme.dev' }],
    })
    const described = await routes({ file: join(at, 'wrangler.toml'), scopes: 'a:read' })
    expect(described.out.at(-1)).toMatch(/search@acme\.dev$/)
  })

  it('may be none yet', async () => {
    expect(await checked({ 'routes/search.toml': '# soon\n' })).toMatchObject({
      exitCode: 0,
      err: [],
    })
  })

  it('are decided by tests like others', async () => {
    const cases = (request: string, decision: string) =>
      `[[case]]\nname = "${request}"\nrequest = "${request}"\nclaims = { scope = "a:read" }\nexpect = { decision = "${decision}" }\n`
    const at = await project({
      'tests/policy.test.toml':
        cases('GET /payments/7', 'allowed') +
        cases('GET /search', 'allowed') +
        cases('GET /b', 'denied'),
    })
    const options = { config: join(at, 'wrangler.toml') }
    const outcome = await test([join(at, 'tests/policy.test.toml')], options, 1_793_491_200)
    expect(outcome.exitCode).toBe(0)
    await writeFile(
      join(at, 'routes/search.toml'),
      `${rule('GET /search')}${rule('GET /search/{q}')}`,
    )
    const { out } = await test([join(at, 'tests/policy.test.toml')], options, 1_793_491_200)
    expect(out.at(-1)?.replace(`${at}/`, '')).toBe(
      'routes/search.toml:4 (search@acme.dev): no case reaches the rule GET /search/{q}',
    )
  })

  it('are told by file and owner where an OpenAPI document differs', async () => {
    const document = {
      openapi: '3.0.0',
      info: { title: 'a', version: '1' },
      components: { securitySchemes: { o: { type: 'oauth2', flows: {} } } },
      paths: { '/search': { get: { security: [{ o: ['b:read'] }], responses: {} } } },
    }
    const at = await project({ 'openapi.json': JSON.stringify(document) })
    const options = { check: true, config: join(at, 'wrangler.toml') }
    const { out } = await importOpenApi(join(at, 'openapi.json'), options)
    expect(out.join('\n').replaceAll(`${at}/`, '')).toContain(
      'needs b:read, but routes/search.toml:1 (search@acme.dev) `GET /search` asks for a:read',
    )
  })

  it('are in every environment', async () => {
    const staging = environmentToml('staging')
    const text = toml({ more: `${TEAMS}\n\n${staging}` })
    const { exitCode, at } = await checked({ 'wrangler.toml': text })
    expect(exitCode).toBe(0)
    const { out } = await routes({ file: join(at, 'wrangler.toml'), env: 'staging' })
    expect(out).toHaveLength(4)
    const own = await checked({
      'wrangler.toml': `${text}\n[env.staging.vars.TEAMS.search]\nowner = "x"\npaths = ["/"]\n`,
    })
    expect(own.err[0]).toMatch(
      /^wrangler\.toml:\d+:1: env staging: TEAMS: is read at the top level, for every environment$/,
    )
  })
})

const OUTSIDE = 'is outside the paths of this team: `/payments`'

describe('a mistake', () => {
  it.each<readonly [what: string, changes: Files, told: string]>([
    [
      'TOML that is broken',
      { 'routes/payments.toml': '[[routes]]\nmatch = \n' },
      'routes/payments.toml:2:9 (payments@acme.dev): not valid TOML: ',
    ],
    [
      'an unknown key of a rule',
      { 'routes/payments.toml': rule('GET /payments/a', 'scops = []') },
      'routes/payments.toml:4:1 (payments@acme.dev): routes[0].scops: unknown key `scops`; did you mean `scopes`?',
    ],
    [
      'a condition that is none',
      { 'routes/payments.toml': rule('GET /payments/a', 'when = "agent.typ == 1"') },
      'routes/payments.toml:4:1 (payments@acme.dev): routes[0].when',
    ],
    ['another path', { 'routes/payments.toml': rule('GET /search/a') }, OUTSIDE],
    ['a path that only begins alike', { 'routes/payments.toml': rule('GET /paymentsx') }, OUTSIDE],
    ['a path above', { 'routes/payments.toml': rule('* /*') }, OUTSIDE],
    ['a parameter in its place', { 'routes/payments.toml': rule('GET /{any}/a') }, OUTSIDE],
    ['a suffix of its path', { 'routes/payments.toml': rule('GET /payments:all') }, OUTSIDE],
    [
      'a way out of its path',
      { 'routes/payments.toml': rule('GET /payments/../search/a') },
      'routes/payments.toml:2:1 (payments@acme.dev): routes[0].match: ',
    ],
    [
      'its path in another spelling',
      { 'routes/payments.toml': rule('GET /Payments/a') },
      `routes/payments.toml:2:1 (payments@acme.dev): routes[0].match: ${OUTSIDE}`,
    ],
    [
      'something beside rules',
      {
        'routes/payments.toml': `${rule('GET /payments/a')}[vars.ISSUERS.mine]\nissuer = "https://x.dev"\n`,
      },
      'routes/payments.toml:4:1 (payments@acme.dev): vars: is not read: the file may have only [[routes]]',
    ],
    [
      'rules that are no list',
      { 'routes/payments.toml': '[routes]\nmatch = "GET /payments"\n' },
      'routes/payments.toml:1:1 (payments@acme.dev): routes: must be a list of tables: [[routes]]',
    ],
    [
      'a rule that is no table',
      { 'routes/payments.toml': 'routes = ["GET /payments"]\n' },
      'routes/payments.toml:1:11 (payments@acme.dev): routes[0]: must be a table',
    ],
    [
      'a file of no team',
      { 'routes/billing.toml': rule('GET /billing') },
      'routes/billing.toml:1:1: is the file of no team; write [vars.TEAMS.billing] with owner and paths',
    ],
    [
      'a team without a file',
      {
        'wrangler.toml': toml({
          more: `${TEAMS}\n[vars.TEAMS.tax]\nowner = "t"\npaths = ["/tax"]`,
        }),
      },
      'TEAMS.tax: has no file routes/tax.toml',
    ],
    [
      'a team without an owner',
      { 'wrangler.toml': toml({ more: TEAMS.replace('owner = "search@acme.dev"\n', '') }) },
      'TEAMS.search.owner: is required',
    ],
    [
      'a team without paths',
      { 'wrangler.toml': toml({ more: TEAMS.replace('paths = ["/payments"]\n', '') }) },
      'TEAMS.payments.paths: is required',
    ],
    [
      'an unknown key of a team',
      { 'wrangler.toml': toml({ more: TEAMS.replace('paths = ["/payments"]', '$&\npath = "/"') }) },
      'TEAMS.payments.path: unknown key `path`; did you mean `paths`?',
    ],
    [
      'teams that are no table',
      {
        'wrangler.toml': toml({
          more: TEAMS.replace(/\[vars\.TEAMS[\s\S]*/, '[vars]\nTEAMS = "x"'),
        }),
      },
      'TEAMS: must be a table of teams',
    ],
    [
      'teams without vars in front',
      { 'wrangler.toml': toml({ more: TEAMS.replaceAll('vars.TEAMS', 'TEAMS') }) },
      'TEAMS: is not read here; write it as [vars.TEAMS]',
    ],
    [
      'a variable of the same name',
      { 'wrangler.toml': toml({ more: `${TEAMS}\n[[vars.ROUTES_search]]\nmatch = "GET /x"` }) },
      'ROUTES_search: would replace the rules of that team',
    ],
    [
      'such a variable of an environment',
      {
        'wrangler.toml': toml({
          more: `${TEAMS}\n${environmentToml('staging')}\n[[env.staging.vars.ROUTES_search]]\nmatch = "GET /x"`,
        }),
      },
      'env staging: ROUTES_search: would replace the rules of that team',
    ],
    [
      'no alias',
      { 'wrangler.toml': toml({ more: TEAMS.replace(/^.*\n.*\n/, '') }) },
      'alias: lacks "edgewarden/policy": the Worker would not get the rules in routes/',
    ],
    [
      'no build command',
      { 'wrangler.toml': toml({ more: TEAMS.replace(/\[build\]\n.*\n/, '') }) },
      'build.command: does not run npx edgewarden check --write',
    ],
    [
      'a build command that writes nothing',
      { 'wrangler.toml': toml({ more: TEAMS.replace(' --write', '') }) },
      'build.command: does not run npx edgewarden check --write',
    ],
    ...[
      'npx edgewarden check --write other.toml',
      'npx edgewarden check --write || true',
      'npx edgewarden check --write; npm run more',
    ].map(
      (command) =>
        [
          `the build command ${command}`,
          { 'wrangler.toml': toml({ more: TEAMS.replace(/npx edgewarden.*--write/, command) }) },
          'build.command: does not run npx edgewarden check --write:',
        ] as const,
    ),
  ])('%s is refused, at its place and with its owner', async (_, changes, told) => {
    const { exitCode, err, at } = await checked(changes, { write: true })
    expect(err.join('\n')).toContain(told)
    expect(exitCode).toBe(1)
    await expect(readFile(join(at, '.wrangler/edgewarden/policy.mjs'))).rejects.toThrow('ENOENT')
  })

  it('is that a file of another name is not the one that is checked before its deploy', async () => {
    const at = await project()
    const told = async (command: string) => {
      const text = toml({ more: TEAMS.replace(/npx edgewarden.*--write/, command) })
      await writeFile(join(at, 'prod.toml'), text)
      return (await check({ file: join(at, 'prod.toml') })).err[0] ?? ''
    }
    const wanted = 'npx edgewarden check --write prod.toml'
    expect(await told('npx edgewarden check --write')).toContain(
      `build.command: does not run ${wanted}: `,
    )
    for (const command of [
      wanted,
      'npm ci && npx edgewarden check gates/prod.toml --env staging --write && true',
    ]) {
      expect(await told(command)).toBe('')
    }
  })

  it('names both owners where two teams have one match', async () => {
    const { err } = await checked({
      'routes/payments.toml': `${rule('GET /payments')}${rule('* /payments/search')}`,
      'routes/search.toml': rule('GET /payments/search'),
    })
    expect(err[0]).toBe(
      'routes/search.toml:2:1 (search@acme.dev): routes[0].match: can never match: `* /payments/search` of routes/payments.toml:4 (payments@acme.dev) matches all its requests first; put this rule before that one, or remove one of them',
    )
  })

  it('of several files is told at once, and in the document that --json prints', async () => {
    const { json, err } = await checked({
      'routes/payments.toml': '= 1',
      'routes/search.toml': rule('GET /b'),
    })
    expect(err).toHaveLength(3)
    expect(json).toMatchObject({
      environments: [
        {
          mistakes: [
            { line: 1, column: 1, owner: 'payments@acme.dev' },
            { path: 'routes[0].match', line: 2, column: 1, owner: 'search@acme.dev' },
          ],
        },
      ],
    })
  })

  it('keeps each command from an answer', async () => {
    const at = await project({ 'routes/search.toml': rule('GET /b') })
    const file = join(at, 'wrangler.toml')
    expect(await routes({ file })).toMatchObject({ exitCode: 1 })
    expect(await diff(file, file)).toMatchObject({ exitCode: 2 })
    expect(await test([], { config: file }, 0)).toMatchObject({ exitCode: 2 })
  })
})

describe('the hosts of a team', () => {
  const more = TEAMS.replace('paths = ["/payments"]', '$&\nhosts = ["pay.acme.dev"]')
  it.each([
    ['the one it has', 'host = "pay.acme.dev"', 0],
    ['another', 'host = "api.acme.dev"', 1],
    ['every host', '', 1],
  ])('%s', async (_, line, code) => {
    const { exitCode, err } = await checked({
      'wrangler.toml': toml({ more }),
      'routes/payments.toml': rule('GET /payments', line),
    })
    expect(exitCode).toBe(code)
    expect(err.join().includes('routes[0].host: must be a host of this team: `pay.acme.dev`')).toBe(
      code === 1,
    )
  })
})

describe('check --write', () => {
  it('writes the module that the Worker takes them from, and again', async () => {
    const { at, out } = await checked({}, { write: true })
    expect(out).toContain('wrote ./.wrangler/edgewarden/policy.mjs')
    const module = join(at, '.wrangler/edgewarden/policy.mjs')
    const { variables } = await import(module)
    expect(Object.keys(variables)).toEqual(['ROUTES_payments', 'ROUTES_search'])
    expect(variables.ROUTES_search).toEqual([{ match: 'GET /search', scopes: ['a:read'] }])
    await writeFile(join(at, 'routes/search.toml'), '')
    await check({ file: join(at, 'wrangler.toml'), write: true })
    expect(await readFile(module, 'utf8')).toContain('"ROUTES_search":[]')
  })

  it('writes one without rules after the last team', async () => {
    const more = TEAMS.replace(/\[vars\.TEAMS[\s\S]*/, '')
    const at = await project({}, { 'wrangler.toml': toml({ more }) })
    expect(await check({ file: join(at, 'wrangler.toml'), write: true })).toMatchObject({
      exitCode: 0,
    })
    expect(await readFile(join(at, '.wrangler/edgewarden/policy.mjs'), 'utf8')).toContain(
      'variables = {}',
    )
  })

  it('writes nothing where no alias is, and over no file of somebody else', async () => {
    const at = await project({}, { 'wrangler.toml': toml() })
    const { exitCode, out } = await check({ file: join(at, 'wrangler.toml'), write: true })
    expect([exitCode, out.join().includes('wrote')]).toEqual([0, false])
    const mine = { 'mine.ts': 'export {}\n' }
    const text = toml({ more: TEAMS.replace('./.wrangler/edgewarden/policy.mjs', './mine.ts') })
    const refused = await checked({ ...mine, 'wrangler.toml': text }, { write: true })
    expect(refused).toMatchObject({
      exitCode: 2,
      err: ['mine.ts was not written by check, and is not overwritten.'],
    })
    expect(await readFile(join(refused.at, 'mine.ts'), 'utf8')).toBe('export {}\n')
  })
})

describe('a change of a team', () => {
  it('is told with its owner', async () => {
    const before = await project()
    const after = await project({
      'routes/search.toml': rule('GET /search').replace('"a:read"', ''),
      'routes/payments.toml': '',
    })
    const outcome = await diff(join(before, 'wrangler.toml'), join(after, 'wrangler.toml'))
    expect(outcome.out).toEqual([
      'gains: tokens of acme without a scope may now call GET /search (was: `a:read`) (search@acme.dev)',
      'loses: tokens of acme with `a:read` may no longer call GET /payments/{id} (payments@acme.dev)',
      'Access widens.',
    ])
    expect(outcome.json).toMatchObject({ gains: [{ owners: ['search@acme.dev'] }] })
  })

  it('is compared with the files of the commit by ci, and its mistake shown at its place', async () => {
    const steps = async (change: Files) => {
      const at = await repository(directory, change, FILES)
      const config = join(at, 'wrangler.toml')
      const {
        out,
        exitCode,
        commands = [],
      } = await ci([], { config, base: 'main', report: 'github' }, 1_793_491_200)
      return {
        exitCode,
        text: [...out, ...commands].join('\n').replaceAll(`${relative('', at)}/`, ''),
      }
    }
    expect((await steps({})).text).toContain('Nothing changes.')
    const wider = await steps({ 'routes/search.toml': rule('GET /search').replace('"a:read"', '') })
    expect(wider.exitCode).toBe(1)
    expect(wider.text).toMatch(/gains: .* GET \/search .*\(search@acme\.dev\)/)
    const broken = await steps({
      'wrangler.toml': toml({ more: TEAMS.replace('search@acme.dev', 'Search (EU)') }),
      'routes/search.toml': rule('GET /b'),
    })
    expect(broken.text).toMatch(
      /^::error file=routes\/search\.toml,line=2,title=check::routes\[0\]\.match: is outside .* \(Search \(EU\)\)$/m,
    )
  })
})

it('does not take a folder of that name for teams where it has no TOML', async () => {
  const at = await project({}, { 'wrangler.toml': toml(), 'routes/index.ts': PARTS.top })
  expect(await check({ file: join(at, 'wrangler.toml') })).toMatchObject({ exitCode: 0, err: [] })
})
