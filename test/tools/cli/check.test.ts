import { join } from 'node:path'
import { parse } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { check } from '../../../src/command/policy/check.ts'
import { CONFIG } from '../../kit/repository.ts'
import { environmentToml, folder, KEY, PARTS, toml, write } from './kit.ts'

const directory = await folder()
let count = 0
const checkText = async (text: string, env?: string) =>
  check({
    file: await write(directory, `${count++}.toml`, text),
    ...(env !== undefined && { env }),
  })

describe('a file without mistakes', () => {
  it('is valid, and summed up', async () => {
    const outcome = await checkText(toml())
    expect(outcome.err).toEqual([])
    expect(outcome.out).toEqual([
      'valid: 1 rule',
      '  resource https://api.acme.dev',
      '  issuer   https://auth.acme.dev',
    ])
    expect(outcome.exitCode).toBe(0)
  })

  it('needs no KV namespace where every key is inline', async () => {
    const issuer = `${PARTS.issuer}\njwks = { keys = [${KEY}] }`
    expect(await checkText(toml({ issuer, kv: '' }))).toMatchObject({ exitCode: 0, err: [] })
  })

  it('names the secrets that the file cannot show', async () => {
    const route = `${PARTS.route}\ninject = { Authorization = "Bearer \${OPENAI_API_KEY}" }`
    const more = '[secrets]\nrequired = ["OPENAI_API_KEY"]'
    const outcome = await checkText(toml({ route, more }))
    expect(outcome).toMatchObject({ exitCode: 0, err: [] })
    expect(outcome.out.at(-1)).toBe(
      'needs secret OPENAI_API_KEY: npx wrangler secret put OPENAI_API_KEY',
    )
  })

  it('needs the secret of assertion keys only where nobody makes them', async () => {
    const objects = PARTS.objects.replace(/.*ASSERTION_KEY_SERVICE.*/, '')
    const outcome = await checkText(toml({ objects }))
    expect(outcome.exitCode).toBe(0)
    expect(outcome.out.at(-1)).toBe(
      'needs secret ASSERTION_KEYS: npx wrangler secret put ASSERTION_KEYS',
    )
    const gate = PARTS.gate.replace('"identity"', '"off"')
    expect(await checkText(toml({ objects, gate }))).toMatchObject({ exitCode: 0, err: [] })
  })

  it.each(['mtls_certificates', 'vpc_services', 'vpc_networks'])(
    'may reach its origin by %s',
    async (table) => {
      const gate = `${PARTS.gate}\norigin_via = "PRIVATE"`
      const more = `[[${table}]]\nbinding = "PRIVATE"`
      expect(await checkText(toml({ gate, more }))).toMatchObject({ exitCode: 0, err: [] })
    },
  )

  it('may have a service binding for its origin, and no word about assertions', async () => {
    const gate = '[vars.GATE]\nresource = "https://api.acme.dev"\norigin = "service:API"'
    const more = '[[services]]\nbinding = "API"\nservice = "api"'
    expect(await checkText(toml({ gate, more }))).toMatchObject({ exitCode: 0, err: [] })
  })

  it('may have environments with everything of their own', async () => {
    const outcome = await checkText(toml({ more: environmentToml('staging') }))
    expect(outcome).toMatchObject({ exitCode: 0, err: [] })
    expect(outcome.out).toContain('env staging: valid: 1 rule')
  })

  it.each([
    ['routes = ["api.acme.dev/*"]', 'routes = []'],
    ['route = "api.acme.dev/*"', 'routes = []'],
    ['route = "api.acme.dev/*"', 'route = "staging.acme.dev/*"'],
    ['routes = []', ''],
    ['route = ""', 'route = ""'],
  ])('may have %s, and an environment %s', async (above, own) => {
    const more = `[env.staging]\n${own}\n${environmentToml('staging')}`
    const top = `${PARTS.top}\n${above}`
    expect(await checkText(toml({ top, more }))).toMatchObject({ exitCode: 0, err: [] })
  })
})

describe('an environment beside the top level', () => {
  const STAGING = environmentToml('staging')
  const warned = async (more: string) => (await checkText(toml({ more }), 'staging')).err

  it('is quiet where it has the same, or something else on purpose', async () => {
    expect(await warned(STAGING)).toEqual([])
    const other = STAGING.replaceAll('ISSUERS.acme', 'ISSUERS.try').replace('GET /a', 'GET /b')
    expect(await warned(other)).toEqual([])
  })

  it('is told what it lacks', async () => {
    const top = `[[vars.ROUTES]]\nmatch = "GET /b"\nscopes = ["a:read"]\n\n[vars.SCOPES]\n"a:write" = ["a:read"]`
    expect(
      await warned(`${top}\n\n[[services]]\nbinding = "API"\nservice = "api"\n\n${STAGING}`),
    ).toEqual([
      expect.stringMatching(/warning: env staging: .*SCOPES: lacks `a:write` of the top level/),
      expect.stringMatching(
        /warning: env staging: .*ROUTES: lacks `GET \/b` of the top level, and answers 404/,
      ),
      expect.stringMatching(/warning: env staging: .*bindings: lacks `API` of the top level/),
    ])
  })

  it('is told that its tokens are good at both', async () => {
    const [one] = await warned(STAGING.replace('//staging.acme.dev', '//api.acme.dev'))
    expect(one).toMatch(
      /env staging: .*GATE.resource: is that of the top level, and both accept the same issuer/,
    )
  })
})

const MISTAKES: readonly (readonly [what: string, text: string, ...expected: string[]])[] = [
  ['an empty file', '', 'GATE.resource: is required', 'ROUTES: must have a rule'],
  ['an unknown key', toml({ route: `${PARTS.route}\nscope = []` }), 'ROUTES[0].scope: unknown key'],
  [
    'two mistakes at once',
    toml({ gate: '[vars.GATE]\nresource = 1', route: '[[vars.ROUTES]]\nmatch = "GET /a"' }),
    'GATE.resource: ',
    'GATE.origin: is required',
    'ROUTES[0].scopes: ',
  ],
  [
    'a placeholder resource',
    toml({ gate: PARTS.gate.replaceAll('acme.dev', 'example.com') }),
    'GATE.resource: "https://api.example.com" is a placeholder',
    'GATE.origin: "https://origin.example.com" is a placeholder',
  ],
  [
    'a placeholder issuer and key address',
    toml({
      issuer: '[vars.ISSUERS.a]\nissuer = "https://a.example"\njwks_uri = "https://k.example/j"',
    }),
    'ISSUERS.a.issuer: "https://a.example" is a placeholder',
    'ISSUERS.a.jwks_uri: "https://k.example/j" is a placeholder',
  ],
  [
    'a placeholder among hosts, in text that is JSON',
    toml({ gate: `[vars]\nGATE_LOCAL = '{"hosts":["x.example.com"]}'\n${PARTS.gate}` }),
    'GATE.hosts[0]: "x.example.com" is a placeholder',
  ],
  [
    'a placeholder in a rule of a further variable',
    toml({
      more: `${PARTS.route.replace('ROUTES', 'ROUTES_01').replace('/a', '/b')}\norigin = "https://o.example"`,
    }),
    'ROUTES_01[0].origin: "https://o.example" is a placeholder',
  ],
  [
    'a placeholder address',
    toml({ top: `${PARTS.top}\nroutes = [{ pattern = "api.example.com/*" }]` }),
    'routes[0].pattern: "api.example.com/*" is a placeholder',
  ],
  [
    'placeholders in audiences, origins, locations and other issuers',
    toml({
      issuer: `${PARTS.issuer}
audiences = ["https://api.example.com"]
delegation = { issuers = ["https://auth.beta.example"] }`,
      route: `[[vars.ROUTES]]
match = "POST /mcp"
resource = "https://api.acme.dev/mcp"
scopes = []
audiences = ["https://api.example.com/mcp"]
cors = { origins = ["https://app.example.com"] }
mcp = { tools = { a = [] }, origins = ["https://app.example.com"] }
authorization_details = { type = "pay", locations = ["https://pay.example"] }`,
    }),
    'ISSUERS.acme.audiences[0]: "https://api.example.com" is a placeholder',
    'ISSUERS.acme.delegation.issuers[0]: "https://auth.beta.example" is a placeholder',
    'ROUTES[0].audiences[0]: "https://api.example.com/mcp" is a placeholder',
    'ROUTES[0].cors.origins[0]: "https://app.example.com" is a placeholder',
    'ROUTES[0].mcp.origins[0]: "https://app.example.com" is a placeholder',
    'ROUTES[0].authorization_details.locations[0]: "https://pay.example" is a placeholder',
    '7 mistakes',
  ],
  [
    'rules over what a variable holds',
    toml({
      more: Array.from(
        { length: 120 },
        (_, i) => `[[vars.ROUTES]]\nmatch = "GET /r/${i}"\nscopes = ["scope:${i}"]`,
      ).join('\n'),
    }),
    'and a variable can have 5,120; move rules to [[vars.ROUTES_01]], [[vars.ROUTES_02]]',
  ],
  [
    'text over what a variable holds, counted in bytes',
    toml({ more: `[vars]\nOTHER = "${'é'.repeat(2_561)}"` }),
    'OTHER: is 5,122 bytes of JSON',
  ],
  ['no KV namespace', toml({ kv: '' }), 'JWKS_CACHE: is not there', '[[kv_namespaces]]'],
  ['no Durable Object', toml({ objects: '' }), 'REVOCATIONS: is not there', '[durable_objects]'],
  [
    'no Durable Object for keys',
    toml({ objects: PARTS.objects.replace('KEY_', 'KEYS_') }),
    'KEY_SERVICE: is not there',
  ],
  [
    'no binding to the origin',
    toml({ gate: `${PARTS.gate}\norigin_via = "PRIVATE"` }),
    'GATE.origin_via: needs the binding `PRIVATE`, which is not there: [[mtls_certificates]]',
  ],
  [
    'no service binding',
    toml({ gate: PARTS.gate.replace('https://origin.acme.dev', 'service:API') }),
    'GATE.origin: needs the service binding `API`',
  ],
  [
    'var for vars',
    toml({ gate: PARTS.gate.replace('vars', 'var') }),
    'var: is not read; did you mean [vars]?',
  ],
  [
    'a misspelt table',
    toml({ kv: PARTS.kv.replace('kv_namespaces', 'kv_namespace') }),
    'kv_namespace: is not read; did you mean [kv_namespaces]?',
  ],
  [
    'a table in another notation',
    toml({ objects: PARTS.objects.replace('durable_objects', 'durableObjects') }),
    'durableObjects: is not read; did you mean [durable_objects]?',
  ],
  [
    'a variable without vars',
    toml({ route: PARTS.route.replace('vars.', '') }),
    'ROUTES: is not read here; write it as [[vars.ROUTES]]',
  ],
  [
    'a near miss of a variable',
    toml({ route: PARTS.route.replace('ROUTES', 'ROUTE') }),
    'ROUTE: is not read; did you mean `ROUTES`',
  ],
  ['vars that are no table', `vars = 1\n${PARTS.top}`, 'vars: must be a table'],
  [
    'an environment without anything',
    toml({ more: '[env.staging]' }),
    'env staging: GATE.resource: is required',
    'env staging: bindings.REVOCATIONS: is not there',
    '[env.staging.durable_objects]',
  ],
  [
    'an environment that is no table',
    toml({ more: '[env]\nstaging = 1' }),
    'env staging: env.staging: must be a table',
  ],
  [
    'an environment that lacks a binding',
    toml({ more: environmentToml('staging').replace('JWKS_CACHE', 'OTHER') }),
    'env staging: bindings.JWKS_CACHE: is not there',
  ],
  [
    'a mistake in an environment only',
    toml({ more: environmentToml('staging').replace('["a:read"]', '["a b"]') }),
    'env staging: ROUTES[0].scopes',
  ],
  [
    'inherited routes',
    toml({
      top: `${PARTS.top}\nroutes = ["api.acme.dev/*"]`,
      more: environmentToml('staging'),
    }),
    'env staging: routes: is inherited from the top level',
  ],
  [
    'an inherited route',
    toml({ top: `${PARTS.top}\nroute = "api.acme.dev/*"`, more: '[env.staging]' }),
    'env staging: route: is inherited from the top level',
    'env staging: GATE.resource: is required',
  ],
  [
    'inherited routes beside a route',
    toml({
      top: `${PARTS.top}\nroutes = ["api.acme.dev/*"]`,
      more: `[env.staging]\nroute = "staging.acme.dev/*"\n${environmentToml('staging')}`,
    }),
    'env staging: routes: is inherited from the top level',
    'routes under [env.staging], and no route',
  ],
  [
    'inherited routes beside an empty route',
    toml({
      top: `${PARTS.top}\nroutes = ["api.acme.dev/*"]`,
      more: `[env.staging]\nroute = ""\n${environmentToml('staging')}`,
    }),
    'env staging: routes: is inherited from the top level',
  ],
  [
    'a route inherited by an empty one',
    toml({
      top: `${PARTS.top}\nroute = "api.acme.dev/*"`,
      more: `[env.staging]\nroute = ""\n${environmentToml('staging')}`,
    }),
    'env staging: route: is inherited from the top level',
  ],
  [
    'a misspelt table of an environment',
    toml({ more: '[env.staging.var.GATE]\nresource = "x"' }),
    'env staging: var: is not read; did you mean [env.staging.vars]?',
  ],
]

describe('a file with mistakes', () => {
  it.each(MISTAKES)('%s', async (_, text, ...expected) => {
    const outcome = await checkText(text)
    expect(outcome.exitCode).toBe(1)
    for (const one of expected) expect(outcome.err.join('\n')).toContain(one)
  })

  it('that is no TOML tells line and column', async () => {
    const outcome = await checkText('name = "gate"\n[vars\n')
    expect(outcome.exitCode).toBe(1)
    expect(outcome.err).toHaveLength(1)
    expect(outcome.err[0]).toMatch(/\.toml:2:\d+: not valid TOML: /)
    expect(outcome.json).toMatchObject({ valid: false, line: 2 })
  })

  it('has no valid environment in its summary', async () => {
    const outcome = await checkText(toml({ more: '[env.staging]' }))
    expect(outcome.out.join('\n')).not.toContain('staging: valid')
    expect(outcome.json).toMatchObject({
      valid: false,
      environments: [{ environment: null, mistakes: [] }, { environment: 'staging' }],
    })
  })

  it('is one whose hosts are placeholders still, and says no more', async () => {
    const outcome = await check({ file: CONFIG })
    expect(outcome.exitCode).toBe(1)
    expect(outcome.err.filter((line) => !line.includes('placeholder'))).toEqual([
      expect.stringMatching(/:\d+:1: warning: ISSUERS: none has admin/),
      expect.stringMatching(/:\d+:1: warning: GATE\.assertion: is not written/),
      expect.stringMatching(/: \d+ mistakes$/),
    ])
  })
})

describe('what is checked', () => {
  it('is one environment where one is named', async () => {
    const more = `${environmentToml('good')}\n\n[env.bad]`
    expect(await checkText(toml({ gate: '', more }), 'good')).toMatchObject({ exitCode: 0 })
    expect(await checkText(toml({ more }), 'bad')).toMatchObject({ exitCode: 1 })
  })

  it('cannot be told of an environment that is not there', async () => {
    const outcome = await checkText(toml({ more: '[env.staging]' }), 'nope')
    expect(outcome.exitCode).toBe(2)
    expect(outcome.err[0]).toContain('has no [env.nope]; its environments: staging')
  })

  it.each([
    ['missing.toml', 'there is no such file'],
    ['', 'it is a folder'],
    ['wrangler.jsonc', 'there is no such file'],
  ])('cannot be told of a file that cannot be read: %s', async (name, message) => {
    const outcome = await check({ file: join(directory, name) })
    expect(outcome.exitCode).toBe(2)
    expect(outcome.err[0]).toContain(message)
  })

  it('is wrangler.jsonc where there is no wrangler.toml, with its places', async () => {
    const jsonc = await folder()
    const text = JSON.stringify(parse(toml()), undefined, 1).replace('"a:read"', '"a b", // two')
    const file = await write(jsonc, 'wrangler.jsonc', text)
    const outcome = await check({ file: join(jsonc, 'wrangler.toml') })
    const line = text.split('\n').findIndex((one) => one.includes('// two')) + 1
    expect(outcome.err[0]).toBe(
      `${file}:${line}:6: ROUTES[0].scopes[0]: \`a b\` has a space. Two scopes? Write two texts: "a", "b"`,
    )
    expect(outcome.err.at(-1)).toBe(`${file}: 1 mistake`)
    expect(outcome.json).toMatchObject({ environments: [{ mistakes: [{ line, column: 6 }] }] })
    await write(jsonc, 'wrangler.jsonc', text.replace('{', '{ name: '))
    expect((await check({ file })).err[0]).toMatch(/:1:3: not valid JSONC: expected a name/)
  })

  it('lists keys only where it is asked to', async () => {
    const file = await write(
      directory,
      'keys.toml',
      toml({ route: `${PARTS.route}\nscope = []\nwhen = "foo()"` }),
    )
    const short = await check({ file })
    expect(short.err.join('\n')).not.toContain('Allowed')
    expect(short.err.at(-1)).toMatch(/2 mistakes; which keys .*: npx edgewarden check --keys$/)
    const long = await check({ file, keys: true })
    expect(long.err[1]).toMatch(/^ {2}Allowed: `match`, `host`/)
    expect(long.err.at(-1)).toMatch(/2 mistakes$/)
  })
})
