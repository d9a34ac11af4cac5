import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { routes } from '../../../src/command/policy/routes.ts'
import { environmentToml, folder, PARTS, runHere, toml, write } from './kit.ts'

const directory = await folder()
let count = 0
const routesOf = async (text: string, env?: string) =>
  routes({
    file: await write(directory, `${count++}.toml`, text),
    ...(env !== undefined && { env }),
  })

const rule = (match: string, ...lines: readonly string[]) =>
  ['[[vars.ROUTES]]', `match = "${match}"`, ...lines].join('\n')

describe('the table', () => {
  it('has one line per rule, in file order, its columns below each other', async () => {
    const outcome = await routesOf(
      toml({
        route: [
          rule('POST /v1/chat', 'scopes = ["chat:write", "chat:read"]'),
          rule('GET /v1/documents/{id}', 'scopes = { any = ["read", "read:{id}"] }'),
          rule('GET /me', 'scopes = []'),
          rule('GET /status', 'access = "public"'),
        ].join('\n'),
      }),
    )
    expect(outcome).toMatchObject({ exitCode: 0, err: [] })
    expect(outcome.out).toEqual([
      'MATCH                   ACCESS    NEEDS                     ISSUERS  ORIGIN',
      'POST /v1/chat           required  chat:write and chat:read  acme     https://origin.acme.dev',
      'GET /v1/documents/{id}  required  one of read, read:{id}    acme     https://origin.acme.dev',
      'GET /me                 required  any valid token           acme     https://origin.acme.dev',
      'GET /status             public    nothing                   -        https://origin.acme.dev',
    ])
  })

  it('shows a host, what is asked beside scopes, and the mode where a rule has one', async () => {
    const { out } = await routesOf(
      toml({
        gate: `${PARTS.gate}\nhosts = ["api.acme.dev", "b.acme.dev"]`,
        route: [
          rule(
            'GET /runs/{run}',
            'scopes = []',
            'host = "b.acme.dev"',
            'agent_types = ["planner", "coder"]',
            'workflow = "path:run"',
            'mode = "shadow"',
          ),
          rule('GET /b', 'scopes = []'),
        ].join('\n'),
      }),
    )
    expect(out[0]).toMatch(/^MATCH +HOST +ACCESS +NEEDS +AND +ISSUERS +ORIGIN +MODE$/)
    expect(out[1]).toMatch(
      / b\.acme\.dev +required .* agent_types=planner,coder workflow=path:run /,
    )
    expect(out[1]).toMatch(/ shadow$/)
    expect(out[2]).toMatch(/^GET \/b +- +required .* -$/)
  })

  it('shows the authorization details and the authentication that a rule asks for', async () => {
    const { out } = await routesOf(
      toml({
        route: rule(
          'PUT /documents/{id}',
          'scopes = []',
          'authorization_details = [{ type = "document", actions = ["write"], identifier = "d/{id}" }]',
          'acr_values = ["urn:x:mfa", "phr"]',
          'max_age = "5m"',
        ),
      }),
    )
    const details = JSON.stringify([{ type: 'document', actions: ['write'], identifier: 'd/{id}' }])
    expect(out[1]).toContain(
      ` authorization_details=${details} acr_values=urn:x:mfa,phr max_age=300s `,
    )
  })

  it('is the policy of one environment', async () => {
    const staging = environmentToml('staging').replace('GET /a', 'GET /staging')
    const text = toml({ more: staging })
    expect((await routesOf(text)).out[1]).toMatch(/^GET \/a /)
    expect((await routesOf(text, 'staging')).out[1]).toMatch(/^GET \/staging /)
  })

  it('does not ask whether hosts are placeholders', async () => {
    const gate = PARTS.gate.replaceAll('acme.dev', 'example.com')
    expect(await routesOf(toml({ gate }))).toMatchObject({ exitCode: 0, err: [] })
  })

  it('as JSON has everything the rule says, and no value that is injected', async () => {
    const route = `${PARTS.route}\ninject = { Authorization = "Bearer \${KEY} visible" }`
    const { json } = await routesOf(toml({ route }))
    expect(json).toMatchObject({
      valid: true,
      environment: null,
      routes: [
        {
          match: 'GET /a',
          access: 'required',
          needs: 'a:read',
          scopes: ['a:read'],
          issuers: ['acme'],
          origin: 'https://origin.acme.dev',
          mode: 'enforce',
          resource: 'https://api.acme.dev',
        },
      ],
    })
    expect(JSON.stringify(json)).not.toContain('visible')
  })
})

describe('without a policy', () => {
  it('says no to a broken one, with its mistakes', async () => {
    const outcome = await routesOf(toml({ gate: '', kv: '' }))
    expect(outcome).toMatchObject({ exitCode: 1, out: [] })
    const text = outcome.err.join('\n')
    expect(text).toContain('GATE.resource: is required')
    expect(text).toContain('[[kv_namespaces]] with binding = "JWKS_CACHE"')
    expect(outcome.err.at(-1)).toMatch(/^\S+\.toml: 3 mistakes$/)
    expect(outcome.json).toMatchObject({ valid: false, environment: null })
    expect(outcome.json).toHaveProperty('mistakes.length', 3)
  })

  it('names the environments where the top level has none', async () => {
    const outcome = await routesOf(environmentToml('staging'))
    expect(outcome.exitCode).toBe(1)
    expect(outcome.err.at(-1)).toContain('for another environment: --env staging')
  })

  it('says no to a table whose name is misspelt', async () => {
    const outcome = await routesOf(toml({ more: '[var.ROUTES_01]' }))
    expect(outcome).toMatchObject({
      exitCode: 1,
      err: [expect.stringMatching(/:\d+:1: var: /), expect.stringContaining('1 mistake')],
    })
  })

  it('says no to what is no TOML', async () => {
    const outcome = await routesOf('[vars')
    expect(outcome).toMatchObject({ exitCode: 1, out: [], json: { valid: false, line: 1 } })
  })

  it.each([
    ['no file', join(directory, 'none.toml'), undefined, 'there is no such file'],
    ['a folder', directory, undefined, 'it is a folder'],
    ['no environment of that name', undefined, 'prod', 'its environments: none'],
  ])('cannot tell with %s', async (_, file, env, message) => {
    const there = file ?? (await write(directory, `${count++}.toml`, toml()))
    const outcome = await routes({ file: there, ...(env !== undefined && { env }) })
    expect(outcome).toMatchObject({ exitCode: 2, out: [] })
    expect(outcome.err.join()).toContain(message)
  })
})

it('is a command', async () => {
  const good = await write(directory, 'good.toml', toml())
  const people = await runHere(['routes', good])
  expect(people).toMatchObject({ code: 0, stderr: '' })
  expect(people.stdout).toContain('GET /a')
})
