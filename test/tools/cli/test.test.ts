import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type TestOptions, test } from '../../../src/command/tests/test.ts'
import { ROOT } from '../../kit/repository.ts'
import { createKey, sign } from '../../kit/signing.ts'
import { environmentToml, folder, PARTS, runHere, toml, write } from './kit.ts'

const directory = await folder()
const NOW = 1_793_491_200
const API = 'https://api.acme.dev'
const RULES = `[[vars.ROUTES]]
match = "POST /pay/{shop}"
scopes = ["pay"]
when = 'token.amount < 100 && request.country in ["DE", "AT"]'
inject = { Authorization = "Bearer \${SHOP_KEY}" }

[[vars.ROUTES]]
match = "GET /hours"
scopes = []
when = 'now.getHours("Europe/Berlin") >= 8'

[[vars.ROUTES]]
match = "GET,POST,DELETE /mcp"
resource = "https://api.acme.dev/mcp"
scopes = []
mcp.tools.look = []
mcp.tools.transfer = { scopes = ["pay"], when = "arguments.amount <= token.most" }

[[vars.ROUTES]]
match = "GET /short"
scopes = []
max_lifetime = "15s"

[[vars.ROUTES]]
match = "GET /beta"
scopes = []
issuers = ["beta"]

[[vars.ROUTES]]
match = "GET /shadow"
scopes = ["x"]
mode = "shadow"

[[vars.ROUTES]]
match = "GET /open"
access = "public"

[[vars.ROUTES]]
match = "POST /token"
scopes = []
forward_token = true`
const ISSUERS = `${PARTS.issuer}
agent_prefix = "acme/"

[vars.ISSUERS.beta]
issuer = "https://beta.acme.dev"
agent_prefix = "beta/"
algorithms = ["RS256", "ES256"]
max_lifetime = "20s"`
const CONFIG = { issuer: ISSUERS, route: RULES }

let count = 0
/** Judges cases that stand in a file of their own, beside a policy. */
const judge = async (
  cases: string,
  { changes = CONFIG, ...options }: TestOptions & { changes?: Parameters<typeof toml>[0] } = {},
) => {
  const inside = join(directory, `case-${count++}`)
  await mkdir(inside)
  const config = await write(inside, 'wrangler.toml', toml(changes))
  const file = await write(inside, 'policy.test.toml', cases)
  const outcome = await test([], { config, ...options }, NOW)
  const short = (lines: readonly string[]) => lines.map((one) => one.replaceAll(`${inside}/`, ''))
  const { stdout, text } = { stdout: short(outcome.out), text: await readFile(file, 'utf8') }
  return { ...outcome, out: stdout, err: short(outcome.err), text }
}
const one = (rest: string) => `[[case]]\nname = "one"\n${rest}\n`
const PAY = `request = "POST /pay/7"\nconnection = { country = "DE" }\n`
const paid = (amount: string) => `${PAY}claims = { scope = "pay", amount = ${amount} }\n`
/** A call of a tool with these arguments, of an agent that may move a hundred. */
const call = (name: string, given: string) =>
  `claims = { scope = "pay", most = 100 }
request = { method = "POST", url = "/mcp", mcp = { method = "tools/call", name = "${name}", arguments = ${given} } }\n`
const ALLOWED = 'expect = { decision = "allowed" }'
const code = (text: string) => `expect = { decision = "denied", code = "${text}" }`

it('counts every agent as approved', async () => {
  const route = '[[vars.ROUTES]]\nmatch = "GET /a"\nscopes = []\nagents = "approved"'
  const objects = PARTS.objects.replace(
    'bindings = [',
    'bindings = [\n  { name = "AGENTS", class_name = "AgentRegistry" },',
  )
  const classes = `${PARTS.classes}\n\n[exports.AgentRegistry]\ntype = "durable-object"\nstorage = "sqlite"\n`
  const cases = one(`request = "GET /a"\nclaims = {}\n${ALLOWED}`)
  const outcome = await judge(cases, { changes: { ...CONFIG, route, objects, classes } })
  expect([outcome.exitCode, outcome.err]).toEqual([0, []])
})

it('a case makes tokens of workloads as their profile has them', async () => {
  const changes = {
    issuer: `[vars.ISSUERS.mesh]
issuer = "spiffe://prod.acme.dev"
profile = "spiffe"
jwks_uri = "https://bundle.acme.dev/"
agent_prefix = "mesh/"

[vars.ISSUERS.github]
issuer = "https://token.actions.githubusercontent.com"
profile = "github-actions"
agent_prefix = "github/"
claims = { repository_owner_id = "65" }`,
    route: '[[vars.ROUTES]]\nmatch = "GET /a"\nscopes = []',
  }
  const github =
    'repository_id = "74", repository_owner_id = "65", run_id = "9", workflow_ref = "w"'
  const cases = [
    `issuer = "mesh"\n${ALLOWED}`,
    `issuer = "mesh"\nclaims = { sub = "spiffe://prod.acme.dev/x", iss = "https://oidc.acme.dev" }\n${ALLOWED}`,
    `claims = { sub = "spiffe://prod.acme.dev/x" }\n${ALLOWED}`,
    `claims = { sub = "spiffe://prod.acme.dev/x", iss = "https://oidc.acme.dev" }\n${ALLOWED}`,
    `issuer = "mesh"\nclaims = { sub = "spiffe://other.dev/x" }\n${code('issuer_unknown')}`,
    `issuer = "github"\nclaims = { ${github} }\n${ALLOWED}`,
    `issuer = "github"\nclaims = { ${github.replace('"65"', '"66"')} }\n${code('claim_rejected')}`,
    `issuer = "github"\nclaims = { ${github}, aud = ["${API}", "b"] }\n${code('audience_mismatch')}`,
  ].map((rest, i) => `[[case]]\nname = "${i}"\nrequest = "GET /a"\n${rest}\n`)
  expect(await judge(cases.join('\n'), { changes })).toMatchObject({ exitCode: 0, err: [] })
})

it('a case makes an Agentic JWT, as on the page', async () => {
  const page = await readFile(join(ROOT, 'docs/agentic-jwt.md'), 'utf8')
  const [example = ''] = /\[vars\.ISSUERS\.idp\][^`]*/.exec(page) ?? []
  const [cases = ''] = /\[\[case\]\][^`]*/.exec(page) ?? []
  const workflow = 'workflow_id = "auto-patch-workflow-v1"'
  const intent = `${workflow}, workflow_step = "step_4_apply_patch"`
  const own = 'sub = "vulnerability-patcher-v1", scope = "repo:write"'
  const hash = 'delegation_chain = "2f0b6b1132b4c1f7"'
  const more = [
    `claims = { ${own}, intent = { ${intent}, ${hash} } }\n${ALLOWED}`,
    `claims = { ${own}, intent = { ${intent} } }\n${code('delegation_chain_mismatch')}`,
    `claims = { ${own}, intent = { ${intent}, ${hash} }, agent_proof = { agent_checksum = "x" } }\n${code('agent_checksum_malformed')}`,
  ].map((rest) => one(`request = "POST /v1/patches"\nbound = true\n${rest}`))
  const unbound = one(`request = "POST /v1/patches"\nclaims = {}\n${code('claim_rejected')}`)
  const changes = { issuer: example, route: '' }
  const { exitCode, err, out } = await judge([cases, ...more, unbound].join('\n'), { changes })
  expect([exitCode, err]).toEqual([0, []])
  expect(out).toContain('5 cases: 5 as expected, 0 not')
})

describe('cases', () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { iss: 'https://auth.acme.dev', aud: API, sub: 'a', client_id: 'a', jti: 'j' }
  const tokenOf = (header: object, more: object) =>
    `token = "${part({ alg: 'ES256', typ: 'at+jwt', kid: 'k', ...header })}.${part({ ...claims, scope: 'pay', amount: 9, iat: 1_700_000_000, exp: 1_700_000_300, ...more })}.AAAA"\n`

  it.each([
    ['a claim that fits', `${paid('99')}${ALLOWED}`],
    ['a claim that does not', `${paid('100')}${code('condition_failed')}`],
    ['a claim of another kind', `${paid('"99"')}${code('condition_error')}`],
    [
      'what the platform may not know',
      `${paid('1').replace(/conn.*\n/, '')}${code('condition_error')}`,
    ],
    ['a scope too few', `${paid('1').replace('"pay"', '"read"')}${code('scope_missing')}`],
    ['no token', `${PAY}${code('credential_missing')}`],
    [
      'two credentials',
      `request = { method = "GET", url = "/hours", headers = { authorization = "Bearer a, Bearer b" } }\n${code('credential_malformed')}`,
    ],
    ['a token at its time', `${PAY}${tokenOf({}, {})}${ALLOWED}`],
    ['a token that is over', `${PAY}at = 1700000400\n${tokenOf({}, {})}${code('token_expired')}`],
    ['a token of another type', `${PAY}${tokenOf({ typ: 'jwt' }, {})}${code('type_not_accepted')}`],
    [
      'a token without signature',
      `${PAY}${tokenOf({ alg: 'none' }, {})}${code('algorithm_forbidden')}`,
    ],
    [
      'a token by another algorithm',
      `${PAY}${tokenOf({ alg: 'ES384' }, {})}${code('algorithm_not_accepted')}`,
    ],
    [
      'a token that forbids itself',
      `${PAY}${tokenOf({ crit: ['x'] }, {})}${code('header_forbidden')}`,
    ],
    ['an hour', `request = "GET /hours"\nclaims = {}\nat = 2026-07-06T06:00:00Z\n${ALLOWED}`],
    [
      'an hour before',
      `request = "GET /hours"\nclaims = {}\nat = "2026-07-06T05:59:59Z"\n${code('condition_failed')}`,
    ],
    ['arguments that fit', `${call('transfer', '{ amount = 100 }')}${ALLOWED}`],
    ['arguments that do not', `${call('transfer', '{ amount = 101 }')}${code('condition_failed')}`],
    ['a tool that is not there', `${call('steal', '{}')}${code('tool_not_allowed')}`],
    ['a rule that takes short lives', `request = "GET /short"\nissuer = "acme"\n${ALLOWED}`],
    [
      'a life that is too long',
      `request = "GET /short"\nclaims = { exp = ${NOW + 16} }\n${code('token_lifetime')}`,
    ],
    ['a rule of another issuer', `request = "GET /beta"\nclaims = {}\n${ALLOWED}`],
    [
      'an issuer that the rule does not take',
      `request = "GET /beta"\nissuer = "acme"\n${code('issuer_not_accepted')}`,
    ],
    [
      'an issuer by its iss',
      `request = "GET /beta"\nclaims = { iss = "https://beta.acme.dev" }\n${ALLOWED}`,
    ],
    [
      'an issuer of nobody',
      `${PAY}claims = { iss = "https://x.example" }\n${code('issuer_unknown')}`,
    ],
    ['a claim that is left out', `${PAY}claims = {}\nwithout = ["jti"]\n${code('claim_missing')}`],
    ['a wrong audience', `${PAY}claims = { aud = "urn:other" }\n${code('audience_mismatch')}`],
    ['no rule', `request = "GET /nowhere"\n${code('route_unknown')}`],
    ['another host', `request = "GET https://other.acme.dev/"\n${code('host_unknown')}`],
    ['a path of two readings', `request = "GET /open/../hours"\n${code('path_ambiguous')}`],
    ['a public rule', `request = "GET /open"\n${ALLOWED}`],
    [
      'shadow mode',
      'request = "GET /shadow"\nclaims = {}\nexpect = { decision = "would_deny", code = "scope_missing", rule = "GET /shadow", headers = { X-Agent-Id = false } }',
    ],
    [
      'a digest that is wrong',
      `request = { method = "POST", url = "/mcp", headers = { content-digest = "sha-256=:AAAA:" }, body = { jsonrpc = "2.0" } }\nclaims = {}\n${code('digest_mismatch')}`,
    ],
    [
      'the token where it is forwarded',
      `request = "POST /token"\nclaims = {}\nexpect.headers.Authorization = "\${token}"`,
    ],
    [
      'what the origin is sent',
      `${paid('1')}[case.expect.headers]\nX-Agent-Id = "acme/example"\nauthorization = "Bearer \${SHOP_KEY}"\nX-Agent-Assertion = "\${assertion}"\nX-Agent-Type = false\nVia = true`,
    ],
  ])('are as expected with %s', async (_, text) => {
    expect(await judge(one(text))).toMatchObject({ exitCode: 0, err: [] })
  })

  it.each([
    [
      'an allowed one',
      `${paid('1')}${code('scope_missing')}`,
      'one: decision is to be "denied", but it is allowed, by the rule "POST /pay/{shop}"',
    ],
    [
      'a denied one',
      `${paid('100')}${ALLOWED}`,
      'decision is to be "allowed", but it is denied: condition_failed {"operand":"token.amount < 100"}, by the rule',
    ],
    ['an error', `${paid('"1"')}${ALLOWED}`, 'no such overload'],
    [
      'another code',
      `${paid('100')}${code('scope_missing')}`,
      'code is to be "scope_missing", but it is denied: condition_failed',
    ],
    [
      'another rule',
      `${paid('1')}expect = { rule = "GET /hours" }`,
      'rule is to be "GET /hours", but it is allowed',
    ],
    [
      'another header',
      `${paid('1')}expect.headers.X-Agent-Id = "x"`,
      'header X-Agent-Id is to be "x", but is "acme/example"',
    ],
    [
      'a header too few',
      `${paid('1')}expect.headers.X-Agent-Type = true`,
      'header X-Agent-Type is to be there, but is absent',
    ],
    [
      'headers of a denied one',
      `${PAY}expect.headers.Via = true`,
      'headers are to be forwarded, but it is denied',
    ],
    [
      'an issuer that is not there',
      `${PAY}issuer = "acmee"\n${ALLOWED}`,
      'unknown issuer `acmee`; did you mean `acme`?',
    ],
    ['no expectation', paid('1'), 'expects nothing; --update writes the decision'],
  ])('tell of %s', async (_, text, message) => {
    const outcome = await judge(one(text))
    expect(outcome.exitCode).toBe(1)
    expect(outcome.err.join('\n')).toContain('policy.test.toml:1: one: ')
    expect(outcome.err.join('\n')).toContain(message)
    expect(outcome.out).toContain('✗ one')
  })

  it('never show what a secret is', async () => {
    const changes = { ...CONFIG, top: `${PARTS.top}\nvars.SHOP_KEY = "sk-very-secret"` }
    const text = one(`${paid('1')}expect.headers.authorization = "x"`)
    const outcome = await judge(text, { changes })
    expect(outcome.err.join()).toContain(`"Bearer \${SHOP_KEY}"`)
    expect(JSON.stringify(outcome)).not.toContain('very-secret')
    expect((await judge(text, { changes, update: true })).text).not.toContain('very-secret')
  })

  it('prove possession of a key, as on the page', async () => {
    const page = await readFile(join(ROOT, 'docs/policy-tests.md'), 'utf8')
    const [, cases = ''] = /```toml\n([^`]*bound {3}= true[^`]*)```/.exec(page) ?? []
    const route = '[[vars.ROUTES]]\nmatch = "POST /v1/payments"\nscopes = ["payments:write"]\n'
    const changes = { issuer: ISSUERS, route: `${route}possession = "required"` }
    const more = [
      ['claims = {}\nbound = false', code('possession_required')],
      [`bound = true\nexpect = { headers = { DPoP = false } }`, ''],
      ['issuer = "beta"\nbound = true', ALLOWED],
      ['bound = true\nclaims = { cnf = { jkt = "x" } }', code('proof_key_mismatch')],
    ]
    const request = 'request = "POST /v1/payments"\n'
    const bad = `request = { method = "POST", url = "/v1/payments", headers = { DPoP = "x" } }\nbound = true\n${code('proof_malformed')}`
    const all = [...more.map(([given, expect]) => `${request + given}\n${expect}`), bad].map(one)
    const scoped = '[defaults]\nclaims = { scope = "payments:write" }\n'
    for (const gate of [PARTS.gate, `${PARTS.gate}\ndpop_nonce = true`]) {
      const { exitCode, err, out } = await judge(`${scoped}${all.join('')}${cases}`, {
        changes: { ...changes, gate },
      })
      expect([exitCode, err]).toEqual([0, []])
      expect(out).toContain('8 cases: 8 as expected, 0 not')
    }
  })

  it('share what stands in defaults, but no token', async () => {
    const text = `[defaults]\nissuer = "acme"\nclaims = { scope = "pay", amount = 1 }\nconnection = { country = "DE" }\nat = 2026-07-06T06:00:00Z
[[case]]\nname = "with"\nrequest = "POST /pay/7"\nclaims = {}\n${ALLOWED}
[[case]]\nname = "more"\nrequest = "POST /pay/7"\nclaims = { amount = 100 }\n${code('condition_failed')}
[[case]]\nname = "none"\nrequest = "POST /pay/7"\n${code('credential_missing')}`
    expect(await judge(text)).toMatchObject({ exitCode: 0, err: [] })
  })

  it('take a token from a file beside them', async () => {
    const key = await createKey('ES256', 'k1')
    const token = await sign(
      { typ: 'at+jwt', kid: 'k1' },
      { ...claims, scope: 'pay', amount: 1, iat: NOW, exp: NOW + 60 },
      key,
    )
    await write(directory, 'agent.jwt', `${token}\n`)
    const text = one(`${PAY}token = "@../agent.jwt"\n${ALLOWED}`)
    expect(await judge(text)).toMatchObject({ exitCode: 0, err: [] })
    const gone = await judge(one(`${PAY}token = "@../none.jwt"\n${ALLOWED}`))
    expect(gone.exitCode).toBe(2)
    expect(gone.err.join()).toMatch(/policy.test.toml:1: case\[0\].token: Cannot read .*none.jwt/)
  })

  it('are for the environment that is named', async () => {
    const changes = {
      ...CONFIG,
      more: environmentToml('staging').replace(API, 'https://s.acme.dev'),
    }
    const text = one(`request = "GET /a"\nclaims = { scope = "a:read" }\n${ALLOWED}`)
    expect((await judge(text, { changes, env: 'staging' })).exitCode).toBe(0)
    expect((await judge(text, { changes })).exitCode).toBe(1)
  })
})

describe('a file of cases', () => {
  it.each([
    ['no TOML', 'case = [', /policy.test.toml:1:\d+: not valid TOML/],
    ['no case', '', /: case: is required/],
    [
      'an unknown key',
      one(`${PAY}expected = 1`),
      /:1: case\[0\].expected: unknown key `expected`; did you mean `expect`/,
    ],
    ['no request', one(ALLOWED), /case\[0\].request: is required/],
    ['half a request', one('request = "GET"'), /request: must be "METHOD URL", or a table/],
    ['a method that is none', one('request = "G(T /a"'), /request.method: must be an HTTP method/],
    ['a fragment', one('request = "GET /a#b"'), /request.url: must be an absolute/],
    [
      'a token in the request',
      one('request = { method = "GET", url = "/a", token = "x" }'),
      /request.token: belongs beside `request`, not in it/,
    ],
    [
      'token and claims',
      one(`${PAY}token = "x"\nclaims = {}`),
      /token: may not be written beside claims/,
    ],
    [
      'token and bound',
      one(`${PAY}token = "x"\nbound = true`),
      /token: may not be written beside claims, issuer or bound/,
    ],
    [
      'two tokens',
      one(
        'request = { method = "GET", url = "/a", headers = { Authorization = "x" } }\nclaims = {}',
      ),
      /has an Authorization beside/,
    ],
    [
      'a decision that is none',
      one(`${PAY}expect.decision = "allow"`),
      /expect.decision: unknown value `allow`/,
    ],
    ['no moment', one(`${PAY}at = 2026-02-30T00:00:00Z`), /:5: at: "2026-02-30.*" is not a time/],
    [
      'no moment for all',
      `defaults.at = 2026-02-30T00:00:00Z\n${one(PAY)}`,
      /:1: at: "2026-02-30.*" is not a time/,
    ],
    ['no zone', one(`${PAY}at = 2026-02-20T00:00:00`), /at: ".*" is not a time/],
    [
      'an address that is none',
      one(`${PAY.replace('country = "DE"', 'country = 1')}`),
      /connection.country: must be a string/,
    ],
  ])('is refused with %s', async (_, text, message) => {
    const outcome = await judge(text)
    expect(outcome.exitCode).toBe(2)
    expect(outcome.err.join('\n')).toMatch(message)
  })

  it('tells the line of each mistake', async () => {
    const outcome = await judge(
      `# first\n${one(`${PAY}${ALLOWED}`)}\n# second\n[[case]]\nname = ""`,
    )
    expect(outcome.err).toEqual([
      'policy.test.toml:9: case[1].name: must not be empty',
      'policy.test.toml:9: case[1].request: is required',
    ])
  })

  it('has to be there', async () => {
    const config = await write(directory, 'wrangler.toml', toml(CONFIG))
    expect(await test([join(directory, 'none.toml')], { config }, NOW)).toMatchObject({
      exitCode: 2,
    })
    expect(await test([], { config }, NOW)).toMatchObject({
      exitCode: 2,
      err: [expect.stringContaining('There are no tests: write ')],
    })
  })

  it('is not judged by a policy with a mistake', async () => {
    const outcome = await judge(one(`${PAY}${ALLOWED}`), { changes: { ...CONFIG, gate: '' } })
    expect(outcome.exitCode).toBe(2)
  })
})

describe('coverage', () => {
  const text = one(`${paid('1')}${ALLOWED}`) + one(`${call('look', '{}')}${ALLOWED}`)

  it('names rules and tools that no case reaches', async () => {
    const { out, json } = await judge(text)
    expect(out).toContain('ROUTES[1]: no case reaches the rule GET /hours')
    expect(out).toContain(
      'ROUTES[2].mcp.tools: no case reaches the rule tool "transfer" of GET,POST,DELETE /mcp',
    )
    expect(json).toMatchObject({ coverage: { rules: 10, reached: 3, codes: [] } })
    const { missing_codes } = (json as { coverage: { missing_codes: string[] } }).coverage
    expect(missing_codes).toContain('scope_missing')
    expect(missing_codes).not.toContain('keys_unavailable')
  })

  it.each([
    ['30', 0],
    ['31', 1],
    ['x', 2],
  ])('has to be %s per cent', async (minCoverage, exitCode) => {
    const outcome = await judge(text, { minCoverage })
    expect(outcome.exitCode).toBe(exitCode)
    if (exitCode === 1)
      expect(outcome.err).toContain(
        'wrangler.toml:1: coverage: ROUTES[1]: no case reaches the rule GET /hours',
      )
  })
})

describe('--update', () => {
  it('writes what is decided, and keeps all else', async () => {
    const text = `# top
[defaults] # for all
at = 2026-07-06T06:00:00Z # summer

[[case]] # [[case]]
name = '''
not [[case]] = "x" # no comment'''
claims = {}
request.method = "GET"
request.url = "/hours"   # spaces
# behind

  [[ case ]]
  name = "two \\"quoted\\" ] } #"
  claims = { scope = "pay",
    amount = 100, # a comment inside
  }
  request = "POST /pay/7"
  expect = { decision = "allowed", rule = "POST /pay/{shop}" } # stays
  [case.connection]
  country = "DE"

[[case]]
name = "three"
request = "GET /nowhere"
expect = { code = "route_unknown" } # as it is`
    const { text: next, out, exitCode } = await judge(text, { update: true })
    const [first, ...rest] = next.split('\n').filter((line) => line.includes('expect'))
    expect(first).toMatch(
      /^expect = \{ decision = "allowed", rule = "GET \/hours", headers = \{ .*x-agent-id = "acme\/example"/,
    )
    expect(rest).toEqual([
      '  expect = { decision = "denied", code = "condition_failed", rule = "POST /pay/{shop}" } # stays',
      'expect = { code = "route_unknown" } # as it is',
    ])
    expect(next).toMatch(/spaces\nexpect = .*\n# behind/)
    const without = (all: string) => all.split('\n').filter((line) => !line.includes('expect'))
    expect(without(next)).toEqual(without(text))
    expect(exitCode).toBe(0)
    expect(out).toContain('✓ two "quoted" ] } # (updated)')
    expect(await judge(next)).toMatchObject({ exitCode: 0, err: [], text: next })
    expect(await judge(next, { update: true })).toMatchObject({ exitCode: 0, text: next })
  })

  it('keeps to the headers that were chosen', async () => {
    const text = one(`${paid('1')}expect = { headers = { X-Agent-Id = "x", X-Agent-Type = true } }`)
    expect((await judge(text, { update: true })).text).toContain(
      'expect = { decision = "allowed", headers = { X-Agent-Id = "acme/example", X-Agent-Type = false } }',
    )
  })

  it.each([
    ['a table of its own', `${paid('1')}[case.expect]\ncode = "x" # why`],
    ['parts of it', `${paid('1')}expect.code = "x"`],
    ['several lines', `${paid('1')}expect = {\n  code = "x", # why\n}`],
  ])('refuses %s', async (_, rest) => {
    const text = one(rest)
    const outcome = await judge(text, { update: true })
    expect(outcome).toMatchObject({ exitCode: 1, text })
    expect(outcome.err.join('\n')).toMatch(/is unchanged: expect on line \d+ is not one line/)
  })

  it('names the first of several that it refuses', async () => {
    const refused = one(`${paid('1')}expect.code = "x"`)
    const text = `${refused}\n${refused}`
    const outcome = await judge(text, { update: true })
    const line = text.split('\n').findIndex((written) => written.startsWith('expect.')) + 1
    expect(outcome).toMatchObject({ exitCode: 1, text })
    expect(outcome.err.join('\n')).toContain(`is unchanged: expect on line ${line} is not one line`)
  })

  it('refuses cases in a list', async () => {
    const text = 'case = [{ name = "one", request = "GET /open" }]'
    const outcome = await judge(text, { update: true })
    expect(outcome).toMatchObject({ exitCode: 1, text })
    expect(outcome.err.join('\n')).toContain('are not written as [[case]]')
  })

  it('does not write what differs with the clock', async () => {
    const { text } = await judge(one(paid('1')), { update: true })
    expect(text).toContain('x-agent-id')
    expect(text).not.toContain('token-expires')
  })
})

describe('a report', () => {
  const name = `'a, <b>: "c" 100%'`
  const text = `\n${one(`${paid('1')}${code('scope_missing')}`).replace('"one"', name)}`

  it('for GitHub stands at the line of its case', async () => {
    const { commands = [], exitCode } = await judge(text, { report: 'github' })
    expect(exitCode).toBe(1)
    const [line = ''] = commands
    expect(line).toContain(
      'policy.test.toml,line=2,title=a%2C <b>%3A "c" 100%25::decision is to be',
    )
  })

  it('as SARIF has a place for each', async () => {
    const { out } = await judge(text, { report: 'sarif', minCoverage: '100' })
    const { version, runs } = JSON.parse(out.join('\n'))
    expect(version).toBe('2.1.0')
    expect(runs[0].results[0]).toMatchObject({
      ruleId: 'policy-test',
      locations: [{ physicalLocation: { region: { startLine: 2 } } }],
    })
    expect(runs[0].results).toHaveLength(10)
  })

  it('as JUnit goes into a file', async () => {
    const output = join(directory, 'junit.xml')
    const { out } = await judge(text, { report: 'junit', output, minCoverage: '100' })
    const xml = await readFile(output, 'utf8')
    expect(xml).toContain('<testsuites name="edgewarden" tests="10" failures="10">')
    expect(xml).toContain('<testcase name="a, &#60;b&#62;: &#34;c&#34; 100%"')
    expect(out).toContain('✗ a, <b>: "c" 100%')
    expect(await judge(text, { output })).toMatchObject({ exitCode: 2 })
  })
})

it('is a command', async () => {
  const config = await write(directory, 'good.toml', toml(CONFIG))
  const file = await write(directory, 'good.test.toml', one(`${paid('1')}${ALLOWED}`))
  const { code, stdout, stderr } = await runHere(['test', file, file, '--config', config])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain('2 cases: 2 as expected, 0 not')
})

it('has the example of the documentation, for the policy of the README', async () => {
  const block = async (path: string, of: string) => {
    const page = await readFile(join(ROOT, path), 'utf8')
    return [...page.matchAll(/```toml\n(.*?)```/gs)]
      .map(([, text = '']) => text)
      .find((text) => text.includes(of))
  }
  const top = `${PARTS.top}\n${PARTS.kv}\n${PARTS.objects}`
  const policy = `${top}\n${await block('README.md', '[vars.GATE]')}`
  const bound = policy.replace(
    'bindings = [',
    'bindings = [{ name = "RATE_LIMITER", class_name = "RateLimiter" },',
  )
  const config = await write(directory, 'readme.toml', bound)
  const file = await write(
    directory,
    'docs.test.toml',
    (await block('docs/policy-tests.md', '[[case]]')) ?? '',
  )
  const { exitCode, err, out } = await test([file], { config }, NOW)
  expect([exitCode, err]).toEqual([0, []])
  const page = await readFile(join(ROOT, 'docs/policy-tests.md'), 'utf8')
  const uncounted = (text: string) => text.replace(/codes: \d+ of \d+/, 'codes')
  expect(uncounted(page)).toContain(uncounted(out.join('\n')))
})
