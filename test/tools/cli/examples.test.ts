import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { check } from '../../../src/tools/cli/check.ts'
import { environmentToml, folder, PARTS, toml, write } from './kit.ts'

const directory = await folder()
const RULES = `[[vars.ROUTES]]
match = "POST /pay/{shop}"
scopes = ["pay"]
when = 'token.amount < 100 && request.country in ["DE", "AT"]'

[[vars.ROUTES]]
match = "GET /hours"
scopes = []
when = 'now.getHours("Europe/Berlin") >= 8'

[[vars.ROUTES]]
match = "GET /plain"
scopes = []

[[vars.ROUTES]]
match = "GET,POST,DELETE /mcp"
resource = "https://api.acme.dev/mcp"
scopes = []
mcp.tools.look = []
mcp.tools.transfer = { scopes = ["pay"], when = "arguments.amount <= token.most" }

[[vars.ROUTES]]
match = "GET,POST,DELETE /eu/mcp"
resource = "https://api.acme.dev/eu/mcp"
audiences = ["urn:eu", "https://api.acme.dev/eu/mcp"]
scopes = []
when = 'request.country == "DE"'
mcp.tools.transfer = { scopes = ["pay"], when = "arguments.amount <= token.most" }

[[vars.ROUTES]]
match = "GET /short"
scopes = []
max_lifetime = "15s"
when = 'token.exp - token.iat <= 15.0'

[[vars.ROUTES]]
match = "GET /beta"
scopes = []
issuers = ["beta"]
when = 'agent.issuer == "https://beta.acme.dev"'`
const ISSUERS = `${PARTS.issuer}
agent_prefix = "acme/"

[vars.ISSUERS.beta]
issuer = "https://beta.acme.dev"
agent_prefix = "beta/"
max_lifetime = "20s"`

const API = 'https://api.acme.dev'
const PAY = { request: { method: 'POST', url: `${API}/pay/7` }, connection: { country: 'DE' } }
const HOURS = { request: { method: 'GET', url: `${API}/hours` }, claims: {} }
/** A call of a tool with these arguments, of an agent that may move a hundred. */
const call = (name: string, given: object, path = '/mcp') => ({
  request: {
    method: 'POST',
    url: API + path,
    mcp: { method: 'tools/call', name, arguments: given },
  },
  claims: { most: 100 },
  connection: { country: 'DE' },
})
const at = (path: string) => ({ request: { method: 'GET', url: API + path }, claims: {} })
const BEFORE = { at: '1793491200', expect: true }
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

let count = 0
/** Checks a file with these examples beside it, or elsewhere. */
const checkWith = async (
  examples: unknown,
  name = 'edgewarden.examples.json',
  { more = '', env }: { readonly more?: string; readonly env?: string } = {},
) => {
  const inside = join(directory, `case-${count++}`)
  await mkdir(inside)
  const config = toml({ issuer: ISSUERS, route: RULES, more })
  const file = await write(inside, 'wrangler.toml', config)
  const text = typeof examples === 'string' ? examples : JSON.stringify(examples)
  const given = await write(inside, name, text)
  const outcome = await check({
    file,
    ...(name.startsWith('edgewarden') ? {} : { examples: given }),
    ...(env !== undefined && { env }),
  })
  return { ...outcome, err: outcome.err.map((line) => line.replaceAll(`${inside}/`, '')) }
}

describe('examples beside a policy', () => {
  it.each([
    ['a claim that fits', { ...PAY, claims: { amount: 99 }, expect: true }],
    ['a claim that does not', { ...PAY, claims: { amount: 100 }, expect: false }],
    ['no expectation', { ...PAY, claims: { amount: 100 } }],
    [
      'a token',
      {
        ...PAY,
        token: `${part({ alg: 'ES256' })}.${part({ amount: 9, iat: 1_700_000_000, exp: 1_700_000_300 })}.AAAA`,
        expect: true,
      },
    ],
    ['an hour', { ...HOURS, at: '2026-07-06T06:00:00Z', expect: true }],
    ['arguments that fit', { ...call('transfer', { amount: 100 }), expect: true }],
    ['arguments that do not', { ...call('transfer', { amount: 101 }), expect: false }],
    ['both of two conditions', { ...call('transfer', { amount: 1 }, '/eu/mcp'), expect: true }],
    ['one of two', { ...call('transfer', { amount: 101 }, '/eu/mcp'), expect: false }],
    ['a rule that takes short lives', { ...at('/short'), expect: true }],
    ['a token issued before', { ...at('/short'), ...BEFORE, claims: { iat: 1_793_491_190 } }],
    ['a rule of another issuer', { ...at('/beta'), expect: true }],
    ['that issuer', { ...at('/beta'), claims: { iss: 'https://beta.acme.dev' }, expect: true }],
    ['an hour before', { ...HOURS, at: '2026-07-06T05:59:59Z', expect: false }],
  ])('hold with %s', async (_, example) => {
    expect(await checkWith([{ name: 'one', ...example }])).toMatchObject({ exitCode: 0, err: [] })
  })

  it.each<[string, object, string]>([
    [
      'a condition that errors',
      { ...PAY, claims: { amount: '99' } },
      'edgewarden.examples.json[0] "one": the condition of "POST /pay/{shop}" cannot be judged: "token.amount < 100": no such overload: dyn<string> < int',
    ],
    [
      'arguments that a condition errors with',
      call('transfer', { amount: '100' }),
      'one": the condition of tool "transfer" of "GET,POST,DELETE /mcp" cannot be judged: "arguments.amount <= token.most": no such overload',
    ],
    [
      'arguments that were expected to do',
      { ...call('transfer', { amount: 101 }), expect: true },
      'one": the condition of tool "transfer" of "GET,POST,DELETE /mcp" does not hold: "arguments.amount <= token.most"',
    ],
    [
      'arguments that were expected not to do',
      { ...call('transfer', { amount: 1 }, '/eu/mcp'), expect: false },
      'one": the conditions of "GET,POST,DELETE /eu/mcp" hold, and are not to',
    ],
    [
      'a tool that is not there',
      call('steal', {}),
      'one": is denied before any condition is judged: tool_not_allowed',
    ],
    [
      'what the platform may not know',
      { ...PAY, connection: undefined, claims: { amount: 1 } },
      'cannot be judged: "request.country in [\\"DE\\", \\"AT\\"]": No such key: country',
    ],
    [
      'one that ought to hold',
      { ...PAY, claims: { amount: 100 }, expect: true },
      'does not hold: "token.amount < 100"',
    ],
    [
      'one that ought not to',
      { ...PAY, claims: { amount: 1 }, expect: false },
      'holds, and is not to',
    ],
    [
      'another issuer',
      { ...PAY, claims: { iss: 'https://x.example' } },
      'of an issuer that is none of the policy',
    ],
    [
      'an issuer of other rules',
      { ...at('/beta'), claims: { iss: 'https://auth.acme.dev' } },
      'of an issuer that its rule does not take',
    ],
    [
      'a token that is over',
      { ...at('/short'), ...BEFORE, claims: { iat: 1_793_491_100 } },
      'is denied before any condition is judged: token_expired',
    ],
    [
      'a token that is refused',
      { ...PAY, claims: { aud: 'urn:other' } },
      'is denied before any condition is judged: audience_mismatch',
    ],
    [
      'no rule',
      { ...PAY, request: { method: 'GET', url: `${API}/nowhere` }, claims: {} },
      'is denied before any condition is judged: route_unknown',
    ],
  ])('tell of %s', async (_, example, message) => {
    const outcome = await checkWith([{ name: 'one', ...example }])
    expect(outcome.exitCode).toBe(1)
    expect(outcome.err.join('\n')).toContain(message)
  })

  describe('of several environments', () => {
    const STAGING = 'https://staging.acme.dev'
    const more = environmentToml('staging')
      .replace(API, STAGING)
      .replace('https://auth.acme.dev', 'https://auth.staging.acme.dev')
      .replace('"GET /a"', '"POST /pay/{shop}"\nwhen = "token.amount < 10"')
    const pay = (host: string, amount: number, expect = true) => ({
      name: host,
      request: { method: 'POST', url: `${host}/pay/7` },
      connection: { country: 'DE' },
      claims: { amount },
      expect,
    })
    const name = 'edgewarden.examples.json'

    it('are those of the one that they are for', async () => {
      const examples = [pay(API, 99), pay(STAGING, 9), pay(STAGING, 99, false)]
      for (const env of [undefined, 'staging']) {
        const outcome = await checkWith(examples, name, { more, ...(env && { env }) })
        expect(outcome).toMatchObject({ exitCode: 0, err: [] })
      }
    })

    it('are told apart by their issuers too', async () => {
      const claims = { amount: 9, iss: 'https://auth.staging.acme.dev' }
      const shared = more.replace(STAGING, API)
      const examples = [{ ...pay(API, 9), claims }]
      const outcome = await checkWith(examples, name, { more: shared })
      expect(outcome).toMatchObject({ exitCode: 0, err: [] })
    })

    it('are judged there', async () => {
      const examples = [pay(API, 9, false), pay(STAGING, 99)]
      expect((await checkWith(examples, name, { more })).err).toEqual([
        `${name}[0] "${API}": the condition of "POST /pay/{shop}" holds, and is not to`,
        `env staging: ${name}[1] "${STAGING}": the condition of "POST /pay/{shop}" does not hold: "token.amount < 10"`,
        'wrangler.toml: 2 mistakes',
      ])
    })

    it('are mistakes everywhere where none serves them', async () => {
      const outcome = await checkWith([pay('https://other.acme.dev', 9)], name, { more })
      expect(outcome.exitCode).toBe(1)
      expect(outcome.err.filter((line) => line.includes('host_unknown'))).toHaveLength(2)
    })
  })

  it('are warned of where their rule has no condition', async () => {
    const outcome = await checkWith([
      { name: 'one', request: { method: 'GET', url: `${API}/plain` }, claims: {} },
    ])
    expect(outcome.exitCode).toBe(0)
    expect(outcome.err).toEqual([
      'warning: edgewarden.examples.json[0] "one": is of the rule "GET /plain", which has no condition',
    ])
  })

  it('are warned of where what they use has no condition', async () => {
    const outcome = await checkWith([{ name: 'one', ...call('look', {}) }])
    expect(outcome.exitCode).toBe(0)
    expect(outcome.err).toEqual([
      'warning: edgewarden.examples.json[0] "one": is of the rule "GET,POST,DELETE /mcp", which has no condition for it',
    ])
  })

  it.each<[string, unknown, RegExp, number]>([
    ['no JSON', '{', /is no JSON/, 2],
    ['a name twice', '[{"name":"a","name":"b"}]', /has a name twice/, 2],
    ['no list', {}, /must be a list/, 2],
    ['no request', [{ name: 'a', claims: {} }], /\[0\][.]request: is required/, 1],
    [
      'neither claims nor token',
      [{ name: 'a', request: PAY.request }],
      /must have either claims or token/,
      1,
    ],
    [
      'both',
      [{ name: 'a', ...PAY, claims: {}, token: 'x' }],
      /must have either claims or token/,
      1,
    ],
    ['no token', [{ name: 'a', ...PAY, token: 'x' }], /[.]token: must be a signed token/, 1],
    [
      'a relative URL',
      [{ name: 'a', claims: {}, request: { method: 'GET', url: '/x' } }],
      /must be an absolute/,
      1,
    ],
    [
      'an unknown key',
      [{ name: 'a', ...PAY, claims: {}, expected: true }],
      /unknown key `expected`/,
      1,
    ],
    ...['noon', '2026-02-30T00:00:00Z', '2026-11-01T24:00:00Z'].map(
      (at): [string, unknown, RegExp, number] => [
        `no moment: ${at}`,
        [{ name: 'a', ...PAY, claims: {}, at }],
        /[.]at: ".*" is no moment/,
        1,
      ],
    ),
  ])('are not read with %s', async (_, examples, message, exitCode) => {
    const outcome = await checkWith(examples, 'other.json')
    expect(outcome.err.join('\n')).toMatch(message)
    expect(outcome.exitCode).toBe(exitCode)
  })

  it('have to be there where they are named', async () => {
    const file = await write(directory, 'alone.toml', toml({ route: RULES }))
    expect(await check({ file, examples: join(directory, 'none.json') })).toMatchObject({
      exitCode: 2,
    })
  })
})
