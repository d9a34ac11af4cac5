import { describe, expect, it } from 'vitest'
import { check } from '../../../src/command/policy/check.ts'
import { folder, PARTS, toml, unplaced, write } from '../cli/kit.ts'

type Changes = Parameters<typeof toml>[0]

/** Checks a file in a folder of its own, beside others. */
const checked = async (changes: Changes, beside: Readonly<Record<string, string>> = {}) => {
  const directory = await folder()
  for (const [name, text] of Object.entries(beside)) await write(directory, name, text)
  return unplaced(await check({ file: await write(directory, 'wrangler.toml', toml(changes)) }))
}
const warnings = async (changes: Changes, beside?: Readonly<Record<string, string>>) => {
  const { exitCode, err } = await checked(changes, beside)
  expect(exitCode).toBe(0)
  return err.map((line) => line.replace(/^warning: /, ''))
}

const rule = (path: string, more: string) => `[[vars.ROUTES]]\nmatch = "GET ${path}"\n${more}`

describe('a secret that the policy names', () => {
  const route = `${PARTS.route}\ninject = { Authorization = "Bearer \${API_KEY}" }`

  it('is a warning where nothing declares secrets, and told how to', async () => {
    expect(await warnings({ route })).toEqual([
      'secrets: are not declared: no deploy is refused without `API_KEY`, which the policy names, and every request is 503 then; write [secrets] with required = ["API_KEY"]',
    ])
  })

  it('is a mistake where others are declared, at the list', async () => {
    const more = '[secrets]\nrequired = ["API_KEYS"]'
    const { exitCode, err, json } = await checked({ route, more })
    expect(exitCode).toBe(1)
    expect(err[0]).toBe(
      'secrets.required: lacks `API_KEY`, which the policy names: without it every request is 503; add it',
    )
    const line = toml({ route, more }).split('\n').indexOf('required = ["API_KEYS"]') + 1
    expect(json).toMatchObject({ environments: [{ mistakes: [{ line, column: 1 }] }] })
  })

  it('is looked for in the file of wrangler dev, where there is one', async () => {
    const more = '[secrets]\nrequired = ["API_KEY"]'
    expect(await warnings({ route, more })).toEqual([])
    expect(await warnings({ route, more }, { '.dev.vars': 'export API_KEY = "x"\n' })).toEqual([])
    expect(await warnings({ route, more }, { '.dev.vars': '# API_KEY=x\nOTHER=y\n' })).toEqual([
      '.dev.vars: lacks API_KEY=…, which the policy names: under wrangler dev every request is 503',
    ])
  })
})

describe('a policy under which nobody may revoke', () => {
  const issuer = PARTS.issuer.replace(/\nadmin.*/, '')

  it('is told so, with the command that helps', async () => {
    expect(await warnings({ issuer })).toEqual([
      expect.stringMatching(/^ISSUERS: none has admin, .*keygen --operator --issuer ops$/),
    ])
  })

  it('is none where no token is taken', async () => {
    const route = rule('/a', 'access = "public"')
    expect(await warnings({ issuer, route })).toEqual([])
  })
})

describe('a name that is written once', () => {
  const agents = (...types: readonly string[]) =>
    types.map((one, i) => rule(`/r/${i}`, `scopes = []\nagent_types = ["${one}"]`)).join('\n')
  const scopes = (...names: readonly string[]) =>
    names.map((one, i) => rule(`/r/${i}`, `scopes = ["${one}"]`)).join('\n')

  it.each<[string, string, string]>([
    ['an agent type', agents('orchestrator', 'orchestrater'), 'ROUTES[1].agent_types'],
    ['one in another case', agents('sub-agent', 'SubAgent'), 'ROUTES[1].agent_types'],
    [
      'one in a condition',
      `${agents('planner')}\n${rule('/c', `scopes = []\nwhen = 'agent.type == "plannr"'`)}`,
      'ROUTES[1].when',
    ],
    ['a scope', scopes('docs:write', 'docs:wirte'), 'ROUTES[1].scopes[0]'],
    ['a scope with parts', scopes('files.read:all', 'file.read:all'), 'ROUTES[1].scopes[0]'],
    [
      'one that another includes',
      `${scopes('docs:write', 'docs:read')}\n[vars.SCOPES]\n"docs:write" = ["docs:raed"]`,
      'SCOPES["docs:write"][0]',
    ],
    [
      'one of a tool',
      `${scopes('files:search')}\n[[vars.ROUTES]]\nmatch = "GET,POST,DELETE /mcp"\nscopes = []\nmcp = { tools = { a = { scopes = { any = ["files:serch"] } } } }`,
      'ROUTES[1].mcp.tools.a.any[0]',
    ],
  ])('and is nearly another is told: %s', async (_, route, path) => {
    const found = (await warnings({ route })).filter((line) => line.includes('is nearly'))
    expect(found).toHaveLength(1)
    expect(found[0]?.startsWith(`${path}: `)).toBe(true)
    expect(found[0]).toMatch(/is written only here, and is nearly `.*` of .*; did you mean that\?$/)
  })

  it.each([
    ['read and write', scopes('docs:read', 'docs:write')],
    ['short ones', scopes('a:read', 'b:read', 'ca:read')],
    ['teams', scopes('team-a:read', 'team-b:read')],
    ['numbers', scopes('service1:read', 'service2:read')],
    ['import and export', scopes('docs:import', 'docs:export')],
    ['both twice', scopes('docs:list', 'docs:lint', 'docs:list', 'docs:lint')],
  ])('and is another all the same is not: %s', async (_, route) => {
    expect(await warnings({ route })).toEqual([])
  })
})

describe('a slash at the end', () => {
  const issuer = (url: string, more = '') =>
    `[vars.ISSUERS.acme]\nissuer = "${url}"\nadmin = "own"\n${more}`

  it.each([
    ['https://acme.eu.auth0.com', '', 'with'],
    ['https://login.acme.dev', 'profile = "auth0"', 'with'],
    ['https://id.acme.dev/realms/a/', 'profile = "keycloak"', 'without'],
    ['https://acme.okta.com/oauth2/default/', '', 'without'],
  ])('of the issuer %s %s is not what tokens say', async (url, more, way) => {
    const found = (await warnings({ issuer: issuer(url, more) })).filter((line) =>
      line.includes('have iss'),
    )
    const meant = way === 'with' ? `${url}/` : url.slice(0, -1)
    expect(found).toEqual([
      `ISSUERS.acme.issuer: tokens of this service have iss ${way} a / at the end, and it is compared exactly; write \`${meant}\``,
    ])
  })

  it('of an audience is told beside the resource without it', async () => {
    const audiences = (list: string) => ({ issuer: `${PARTS.issuer}\naudiences = [${list}]` })
    expect(await warnings(audiences('"https://api.acme.dev/"'))).toEqual([
      expect.stringMatching(
        /^ISSUERS\.acme\.audiences\[0\]: `https:\/\/api\.acme\.dev\/` differs from `https:\/\/api\.acme\.dev` of GATE\.resource only by the \/ at the end/,
      ),
    ])
    expect(await warnings(audiences('"https://api.acme.dev/", "https://api.acme.dev"'))).toEqual([])
  })
})
