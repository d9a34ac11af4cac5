import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { diff } from '../../../src/command/policy/diff.ts'
import { environmentToml, folder, PARTS, runHere, toml, write } from './kit.ts'

const directory = await folder()
let count = 0
const file = (text: string) => write(directory, `${count++}.toml`, text)

const plain = await file(toml())
const wider = await file(
  toml({ route: PARTS.route.replace('["a:read"]', '{ any = ["a:read", "a:list"] }') }),
)
const issuer = await file(toml({ issuer: `${PARTS.issuer}\nagent_id = "sub"` }))
const noToml = await file('[vars')
const broken = await file(toml({ gate: '' }))
const reordered = await file(
  toml({
    route: `[[vars.ROUTES]]\nmatch = "POST /b"\nscopes = ["b"]\n${PARTS.route}`,
  }),
)
const ordered = await file(
  toml({ route: `${PARTS.route}\n[[vars.ROUTES]]\nscopes = ["b"]\nmatch = "POST /b"` }),
)

/** A policy that names bindings of every kind, and the tables that they are in. */
const bound = {
  objects: PARTS.objects.replace(
    'bindings = [',
    'bindings = [\n  { name = "RATE_LIMITER", class_name = "RateLimiter" },',
  ),
  classes: `${PARTS.classes}\n[exports.RateLimiter]\ntype = "durable-object"\nstorage = "sqlite"`,
  route: `${PARTS.route}
rate_limit = { binding = "RL" }
origin = "service:API"
[[vars.ROUTES]]
match = "GET /b"
scopes = ["b"]
rate_limit = { limit = 1, period = "1s" }
origin_via = "CERT"`,
  more: `[[ratelimits]]
name = "RL"
namespace_id = "1"
simple = { limit = 10, period = 60 }
[[services]]
binding = "API"
service = "api"
[[services]]
binding = "OTHER"
service = "other"
[[mtls_certificates]]
binding = "CERT"
certificate_id = "one"`,
}
const boundToml = toml(bound)
const environment = Object.values({ ...PARTS, ...bound })
  .filter((part) => ![PARTS.top, bound.classes].includes(part))
  .join('\n')
  .replace('[triggers]\ncrons = ["*/5 * * * *"]', '')
  .replace(/^(\[+)/gm, '$1env.x.')

describe('diff', () => {
  it('says no where access widens, and who gains what', async () => {
    expect(await diff(plain, wider)).toMatchObject({
      exitCode: 1,
      out: [
        'gains: tokens of acme with `a:list` may now call GET /a (was: `a:read`)',
        'Access widens.',
      ],
      err: [],
      json: {
        widens: true,
        before: plain,
        after: wider,
        environment: null,
        gains: [
          {
            text: 'tokens of acme with `a:list` may now call GET /a (was: `a:read`)',
            of: ['GET /a'],
            issuers: ['acme'],
            widens: true,
          },
        ],
        loses: [],
        changes: [],
      },
    })
  })

  it('says yes where it narrows, and who loses what', async () => {
    expect(await diff(wider, plain)).toMatchObject({
      exitCode: 0,
      out: [
        'loses: tokens of acme with `a:list` may no longer call GET /a (now: `a:read`)',
        'Access does not widen.',
      ],
      json: { widens: false },
    })
  })

  it.each([
    ['types', 'agent_types = ["s"]'],
    ['a condition', 'when = "arguments.n == 1"'],
  ])('says yes where a tool of an MCP server gets %s', async (_, more) => {
    const server = (tool: string) =>
      file(
        toml({
          route: `[[vars.ROUTES]]\nmatch = "GET,POST,DELETE /mcp"\nscopes = []\nmcp = { tools = { t = ${tool} } }`,
        }),
      )
    const [free, bound] = [await server('["x"]'), await server(`{ scopes = ["x"], ${more} }`)]
    expect(await diff(free, bound)).toMatchObject({
      exitCode: 0,
      out: [expect.stringMatching(/^loses: .*`mcp` is now /), 'Access does not widen.'],
    })
    expect(await diff(bound, free)).toMatchObject({ exitCode: 1, json: { widens: true } })
  })

  it('passes over the order of keys in a table', async () => {
    const ranged = (range: string) =>
      file(toml({ route: `${PARTS.route}\nclaims = { n = { ${range} } }` }))
    const found = await diff(await ranged('min = 1, max = 3'), await ranged('max = 3, min = 1'))
    expect(found).toMatchObject({ exitCode: 0, out: ['Nothing changes.'] })
  })

  it('says no where it cannot compare', async () => {
    expect(await diff(plain, issuer)).toMatchObject({
      exitCode: 1,
      out: [
        'changes: issuer acme: `agent_id` is now ["sub"] (was ["client_id"]), which cannot be compared: counted as wider',
        'Access widens.',
      ],
    })
  })

  it('compares what is meant, not what is written', async () => {
    expect(await diff(ordered, reordered)).toMatchObject({ exitCode: 0, out: ['Nothing changes.'] })
  })

  it('compares one environment', async () => {
    const staging = environmentToml('staging')
    const one = await file(toml({ more: staging }))
    const other = await file(toml({ more: staging.replace('"a:read"', '"a:other"') }))
    expect((await diff(one, other)).out).toEqual(['Nothing changes.'])
    const found = await diff(one, other, { env: 'staging' })
    expect(found).toMatchObject({ exitCode: 1, json: { environment: 'staging' } })
  })

  it.each([
    [
      'more of a limit',
      'limit = 10,',
      'limit = 1000000,',
      'gains: bindings.RL: `simple` is now {"limit":1000000,"period":60} (was {"limit":10,"period":60})',
    ],
    [
      'another time of a limit',
      'period = 60',
      'period = 10',
      'changes: bindings.RL: `simple` is now {"limit":10,"period":10} (was {"limit":10,"period":60}), which cannot be compared: counted as wider',
    ],
    [
      'another count',
      'namespace_id = "1"',
      'namespace_id = "2"',
      'changes: bindings.RL: `namespace_id` is now 2 (was 1), which cannot be compared: counted as wider',
    ],
    [
      'another Worker',
      'service = "api"',
      'service = "admin"',
      'changes: bindings.API: `service` is now admin (was api), which cannot be compared: counted as wider',
    ],
    [
      'another certificate',
      'certificate_id = "one"',
      'certificate_id = "two"',
      'changes: bindings.CERT: `certificate_id` is now two (was one), which cannot be compared: counted as wider',
    ],
    [
      'a network in place of a certificate',
      '[[mtls_certificates]]\nbinding = "CERT"\ncertificate_id',
      '[[vpc_services]]\nbinding = "CERT"\nservice_id',
      'changes: bindings.CERT: `table` is now vpc_services (was mtls_certificates), which cannot be compared: counted as wider',
    ],
    [
      'revocations of another Worker',
      'class_name = "RevocationShard"',
      'class_name = "RevocationShard", script_name = "other"',
      'changes: bindings.REVOCATIONS: `script_name` is now other (was not set), which cannot be compared: counted as wider',
    ],
    [
      'counts of another Worker',
      'class_name = "RateLimiter"',
      'class_name = "RateLimiter", script_name = "other"',
      'changes: bindings.RATE_LIMITER: `script_name` is now other (was not set), which cannot be compared: counted as wider',
    ],
    [
      'keys from another place',
      'binding = "JWKS_CACHE"',
      'binding = "JWKS_CACHE"\nid = "0123"',
      'changes: bindings.JWKS_CACHE: `id` is now 0123 (was not set), which cannot be compared: counted as wider',
    ],
  ])('looks into the tables of bindings: %s', async (_, one, other, said) => {
    const changed = (text: string) => text.replace(one, other).replace(`env.x.${one}`, other)
    const found = await diff(await file(boundToml), await file(changed(boundToml)))
    expect(found.out[0]).toBe(said)
    expect(found).toMatchObject({ exitCode: 1, json: { widens: true } })
    const turned = one.replaceAll('[[', '[[env.x.')
    const [before, after] = [
      environment,
      environment.replace(turned, other.replaceAll('[[', '[[env.x.')),
    ]
    const files = [await file(toml({ more: before })), await file(toml({ more: after }))] as const
    expect((await diff(...files, { env: 'x' })).out[0]).toBe(said)
    expect((await diff(...files)).out).toEqual(['Nothing changes.'])
  })

  it.each([
    ['in another order', 'limit = 10, period = 60', 'period = 60, limit = 10'],
    ['of what no rule names', 'service = "other"', 'service = "another"'],
  ])('passes over tables %s', async (_, one, other) => {
    const found = await diff(await file(boundToml), await file(boundToml.replace(one, other)))
    expect(found).toMatchObject({ exitCode: 0, out: ['Nothing changes.'] })
  })

  it('says that a limit with less in its table narrows', async () => {
    const less = boundToml.replace('limit = 10,', 'limit = 9,')
    expect(await diff(await file(boundToml), await file(less))).toMatchObject({
      exitCode: 0,
      json: { widens: false, loses: [{ of: ['bindings.RL'], widens: false }] },
    })
  })

  it.each([
    ['no file', join(directory, 'none.toml'), {}, 'there is no such file'],
    ['no TOML', noToml, {}, 'not valid TOML'],
    ['a broken policy', broken, {}, 'GATE.resource: is required'],
    ['no such environment', plain, { env: 'prod' }, 'has no [env.prod]'],
  ])('cannot tell with %s, on either side', async (_, wrong, options, message) => {
    for (const pair of [
      [wrong, plain],
      [plain, wrong],
    ] as const) {
      const outcome = await diff(...pair, options)
      expect(outcome).toMatchObject({ exitCode: 2, out: [] })
      expect(outcome.err.join('\n')).toContain(message)
    }
  })
})

it('is a command', async () => {
  const no = await runHere(['diff', plain, wider])
  expect(no).toMatchObject({ code: 1, stderr: '' })
  expect(no.stdout).toContain('gains: ')
})
