import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { init } from '../../../src/command/install/init.ts'
import { check } from '../../../src/command/policy/check.ts'
import { ci } from '../../../src/command/policy/ci.ts'
import { type ImportOptions, importOpenApi } from '../../../src/command/policy/import.ts'
import { asking, document, large } from '../openapi/documents.ts'
import { environmentToml, folder, runHere, toml, write } from './kit.ts'

const directory = await folder()
let count = 0
const file = (text: string, name = 'wrangler.toml') => write(directory, `${++count}-${name}`, text)
const source = (paths: object, more?: object) =>
  file(stringify(document(paths, more)), 'openapi.yaml')

const PETS = {
  '/pets': { get: asking('pets:read'), post: asking('pets:write') },
  '/pets/{id}': { get: asking('pets:read'), delete: { ...asking('pets:write'), deprecated: true } },
}
const MCP = `[[vars.ROUTES]]
match = "POST /mcp"
resource = "https://api.acme.dev/mcp"
scopes = ["mcp"]
mcp = { tools = { search = ["tools"] } }`

const differs = async (paths: object, rules: string, options: ImportOptions = {}) => {
  const config = await file(toml({ route: rules }))
  const outcome = await importOpenApi(await source(paths), { check: true, config, ...options })
  return [outcome.exitCode, ...outcome.out.slice(0, -1)]
}
const rule = (match: string, more: string) => `[[vars.ROUTES]]\nmatch = "${match}"\n${more}\n`

describe('import openapi', () => {
  it('prints rules, and what it cannot tell on standard error', async () => {
    const { code, stdout, stderr } = await runHere(['import', 'openapi', await source(PETS)])
    expect(code).toBe(0)
    expect(stdout).toContain(
      '[[vars.ROUTES_OPENAPI_01]]\nmatch = "GET /pets/{id}"\nscopes = ["pets:read"]\n',
    )
    expect(stderr).toBe(
      'note: #/paths/~1pets~1{id}/delete is deprecated, and has a rule\n4 rules for 4 operations; next: npx edgewarden check\n',
    )
  })

  it('answers as one document', async () => {
    const { stdout } = await runHere(['import', 'openapi', await source(PETS), '--json'])
    expect(JSON.parse(stdout)).toMatchObject({
      notes: [{ pointer: '#/paths/~1pets~1{id}/delete' }],
      rules: [
        { match: 'GET /pets', scopes: ['pets:read'], operations: ['#/paths/~1pets/get'] },
        {},
        {},
        {},
      ],
      toml: expect.stringContaining('[[vars.ROUTES_OPENAPI_01]]'),
    })
  })

  it('prints what can stand at the end of a file, and check accepts', async () => {
    const before = toml({ route: MCP, more: environmentToml('staging') })
    const document = await file(JSON.stringify(large()), 'openapi.json')
    const { stdout } = await runHere(['import', 'openapi', document])
    const pets = await runHere(['import', 'openapi', await source(PETS), '--env', 'staging'])
    expect(pets.stdout.match(/env\.staging\.vars\.ROUTES_OPENAPI_01/g)).toHaveLength(4)
    const config = await file(`${before}\n${stdout}\n${pets.stdout}`)
    expect(await check({ file: config })).toMatchObject({ exitCode: 0 })
    expect(await importOpenApi(document, { check: true, config })).toMatchObject({ exitCode: 0 })
  })

  it.each<[string, object, ImportOptions, number, string]>([
    ['nothing to import', {}, {}, 1, 'has no operation that a rule can be made of'],
    ['two scopes', PETS, { scope: 'a b' }, 2, '--scope is one scope'],
    [
      'another variable',
      PETS,
      { variable: 'RULES' },
      2,
      '--variable is ROUTES, or begins with ROUTES_',
    ],
    ['no policy', PETS, { check: true, config: 'none.toml' }, 2, 'there is no such file'],
  ])('cannot do it with %s', async (_, paths, options, code, message) => {
    const { exitCode, err } = await importOpenApi(await source(paths), options)
    expect([exitCode, err.at(-1)]).toEqual([code, expect.stringContaining(message)])
  })
})

describe('import openapi --check', () => {
  const read = 'scopes = ["pets:read"]'
  const write = 'scopes = ["pets:write"]'

  it('says nothing where rules are written otherwise and decide the same', async () => {
    const rules = `${rule('GET /pets', read)}${rule('GET /pets/*', read)}${rule('POST /pets', write)}${rule('DELETE /pets/{x}', write)}`
    expect(await differs(PETS, `${MCP}\n${rules}`)).toEqual([0])
  })

  it('says which operations no rule allows, and which rules match none', async () => {
    const rules = `${rule('GET,POST,PUT /pets', read)}${rule('GET /pets/{id}', read)}${rule('GET /old/*', read)}`
    expect(await differs(PETS, rules)).toEqual([
      1,
      '#/paths/~1pets/post: needs pets:write, but ROUTES[0] `GET,POST,PUT /pets` asks for pets:read',
      '#/paths/~1pets~1{id}/delete: no rule allows DELETE /pets/{id}',
      'ROUTES[0] `GET,POST,PUT /pets`: no operation for PUT',
      'ROUTES[2] `GET /old/*`: matches no operation',
    ])
    const only = await differs(PETS, rules, { variable: 'ROUTES_PETS' })
    expect(only).toHaveLength(3)
  })

  it('goes by the rule that decides, and by access', async () => {
    const paths = { '/a': { get: asking('a') }, '/b': { get: { security: [] } } }
    const rules = `${rule('* /*', 'access = "public"')}`
    expect(await differs(paths, rules)).toEqual([
      1,
      '#/paths/~1a/get: needs a token, but ROUTES[0] `* /*` is public',
    ])
    const own = `${rule('GET /b', 'scopes = ["mine"]')}${rule('GET /a', 'scopes = { any = ["a"] }')}`
    expect(await differs(paths, own)).toEqual([0])
    const special = `${rule('GET /a/me', 'scopes = ["me"]')}${rule('GET /a/{id}', 'scopes = ["a"]')}`
    expect(await differs({ '/a/{id}': { get: asking('a') } }, special)).toEqual([
      1,
      '#/paths/~1a~1{id}/get: needs a, but ROUTES[0] `GET /a/me` asks for me',
    ])
  })

  it('is a step of ci', async () => {
    const config = await file(toml())
    const openapi = await source({ '/b': { get: asking('b') } })
    const {
      exitCode,
      out,
      commands = [],
    } = await ci([], { config, openapi, report: 'github' }, 1_793_491_200)
    expect(exitCode).toBe(1)
    expect(out).toContain('❌ openapi: failed')
    expect(commands.join('\n')).toMatch(/^::error file=.*title=openapi::.*no rule allows GET \/b/m)
  })
})

describe('init --openapi', () => {
  const answers = { resource: 'https://api.acme.dev', issuer: 'https://auth.acme.dev' }
  it('makes the rules of the document, and tells what it leaves out', async () => {
    const path = join(directory, 'project')
    const openapi = await source(PETS)
    const origin = 'https://origin.acme.dev'
    expect(await init(path, { ...answers, origin, openapi }, {})).toMatchObject({
      exitCode: 0,
      err: expect.arrayContaining([expect.stringMatching(/^note: .*is deprecated/)]),
    })
    const config = join(path, 'wrangler.toml')
    expect(await importOpenApi(openapi, { check: true, config })).toMatchObject({ exitCode: 0 })
    const tested = await runHere(['test', '--config', config])
    expect([tested.code, tested.stdout]).toEqual([
      0,
      expect.stringContaining('3 as expected, 0 not'),
    ])
  })

  it.each([
    [{ openapi: 'none.yaml', origin: 'https://o.acme.dev' }, 'there is no such file'],
    [{ openapi: 'none.yaml', modelApi: 'openai' }, '--openapi needs --origin'],
    [
      { openapi: 'https://x.dev/a.yaml', origin: 'https://o.acme.dev' },
      'is not a file; fetch it first',
    ],
  ])('cannot tell with %j', async (more, message) => {
    const { exitCode, err } = await init(join(directory, 'none'), { ...answers, ...more }, {})
    expect([exitCode, err.join()]).toEqual([2, expect.stringContaining(message)])
  })
})
