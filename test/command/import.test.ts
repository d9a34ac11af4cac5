import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { init } from '../../src/command/install/init.ts'
import { check } from '../../src/command/policy/check.ts'
import { importOpenApi } from '../../src/command/policy/import.ts'
import { environmentToml, folder, runHere, toml, write } from './kit.ts'
import { asking, document, large } from './openapi/documents.ts'

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

describe('import openapi', () => {
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
