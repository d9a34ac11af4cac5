import { describe, expect, it } from 'vitest'
import { type RoutesOptions, routes } from '../../../src/command/policy/routes.ts'
import { folder, PARTS, runHere, toml, write } from './kit.ts'

const directory = await folder()

const rule = (match: string, ...lines: readonly string[]) =>
  ['[[vars.ROUTES]]', `match = "${match}"`, ...lines].join('\n')

const file = await write(
  directory,
  'wrangler.toml',
  toml({
    issuer: `${PARTS.issuer}\ndelegation = { require_actor = true }`,
    route: [
      rule(
        'GET /v1/documents/{id}',
        'scopes = { any = ["documents:read", "documents:read:{id}"] }',
        'agent_types = ["sub-agent"]',
        'claims = { tenant = "blue" }',
        'max_lifetime = "5m"',
      ),
      rule('POST /v1/documents', 'scopes = ["documents:write"]', 'agent_types = ["orchestrator"]'),
      rule('GET /v1/runs/{run}', 'scopes = ["documents:read"]', 'workflow = "path:run"'),
      rule('GET /v1/steps', 'scopes = ["documents:read"]', 'workflow = "header:x-run"'),
    ].join('\n'),
  }),
)
const asked = (options: RoutesOptions) => routes({ file, ...options })

describe('routes of an agent', () => {
  it('has only what it could reach, which values that needs, and what is still asked', async () => {
    const outcome = await asked({ agentType: 'sub-agent', scopes: 'documents:read:42' })
    expect(outcome).toMatchObject({ exitCode: 0, err: [] })
    expect(outcome.out).toEqual(
      [
        'MATCH                   ONLY       ACCESS    STILL ASKS                                                                          ISSUERS  ORIGIN',
        'GET /v1/documents/{id}  {id} = 42  required  claims={"tenant":"blue"} max_lifetime=300s issuer_delegation=acme  acme     https://origin.acme.dev',
      ].map((line) =>
        expect.stringMatching(
          new RegExp(line.replace(/[{}[\]()*+?.\\^$|]/g, '\\$&').replace(/ +/g, ' +')),
        ),
      ),
    )
  })

  it('as JSON has the values, the questions that are left, and all the rule says', async () => {
    const { json } = await asked({ scopes: 'documents:read:42 documents:read:7' })
    expect((json as { agent: object }).agent).toEqual({
      scopes: 'documents:read:42 documents:read:7',
    })
    expect(json).toMatchObject({
      valid: true,
      routes: [
        {
          match: 'GET /v1/documents/{id}',
          only: [{ id: '42' }, { id: '7' }],
          asks: { agent_types: ['sub-agent'], claims: { tenant: 'blue' } },
          issuers: ['acme'],
        },
      ],
    })
  })

  it('says of what it has too many values to tell them', async () => {
    const many = await write(
      directory,
      'many.toml',
      toml({ route: rule('GET /v1/{a}/{b}', 'scopes = ["x:{a}", "y:{b}"]') }),
    )
    const scopes = Array.from({ length: 50 }, (_, i) => `x:${i} y:${i}`).join(' ')
    const { exitCode, out, json } = await routes({ file: many, scopes })
    expect(exitCode).toBe(0)
    expect(out[1]).toContain(' some of many values of {a}, {b} ')
    expect(json).toMatchObject({ routes: [{ only: [], many: ['a', 'b'] }] })
  })

  it('has a rule for a rest of which an earlier one takes one depth', async () => {
    const rest = await write(
      directory,
      'rest.toml',
      toml({
        route: [
          rule('GET /v1/{tenant}/{item}', 'scopes = ["items:read"]'),
          rule('GET /v1/{tenant}/*', 'scopes = ["files:{tenant}"]'),
        ].join('\n'),
      }),
    )
    expect(await routes({ file: rest, scopes: 'files:acme' })).toMatchObject({
      exitCode: 0,
      json: { routes: [{ match: 'GET /v1/{tenant}/*', only: [{ tenant: 'acme' }] }] },
    })
  })

  it('asks for scopes and types where they are not given', async () => {
    const { out } = await asked({ workflow: 'w1' })
    expect(out).toHaveLength(5)
    expect(out[1]).toMatch(/ scopes=\{"any":\["documents:read","documents:read:\{id\}"\]\} /)
    expect(out[2]).toContain('agent_types=orchestrator')
    expect(out[3]).toMatch(/ \{run\} = w1 /)
    expect(out[3]).not.toContain('workflow=')
    expect(out[4]).toContain('workflow=header:x-run')
  })

  it('has rules in shadow mode, and says why', async () => {
    const shadowed = await write(
      directory,
      'shadow.toml',
      toml({ route: rule('GET /v1/documents', 'scopes = ["documents:read"]', 'mode = "shadow"') }),
    )
    const { exitCode, out } = await routes({ file: shadowed, scopes: 'nope' })
    expect(exitCode).toBe(0)
    expect(out[1]).toMatch(/^GET \/v1\/documents .* shadow: denied requests go on$/)
  })

  it('says no where there is none', async () => {
    expect(await asked({ agentType: 'sub-agent', scopes: 'documents:write' })).toMatchObject({
      exitCode: 1,
      out: ['Such an agent reaches no rule.'],
      json: { routes: [] },
    })
  })

  it.each([
    [{ issuer: 'nobody' }, 'no issuer nobody; the file has: acme'],
    [{ scopes: 'a"b' }, 'is not one scope'],
  ])('cannot tell of %j', async (options, message) => {
    const outcome = await asked(options)
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err.join()).toContain(message)
  })
})

it('is part of the command', async () => {
  const args = ['routes', file, '--agent-type', 'sub-agent', '--issuer', 'acme']
  const no = await runHere([...args, '--scopes', 'documents:write', '--json'])
  expect(no.code).toBe(1)
  expect(JSON.parse(no.stdout)).toEqual({
    ...{ valid: true, file, environment: null, routes: [] },
    agent: { agentType: 'sub-agent', issuer: 'acme', scopes: 'documents:write' },
  })
})
