import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isPlaceholder } from '../../../src/command/lints/lint.ts'
import { check } from '../../../src/command/policy/check.ts'
import { ROOT } from '../../kit/repository.ts'
import { folder, KEY, PARTS, toml, unplaced, write } from '../cli/kit.ts'

/** A modulus of 2048 bits, as far as its form goes. */
const RSA = `${'_'.repeat(341)}w`

const directory = await folder()
const checkText = async (text: string) =>
  unplaced(await check({ file: await write(directory, 'w.toml', text) }))

/** A key as it is written; its numbers need not belong together. */
const NUMBER = 'sesame'.padEnd(43, 'A')
const SIGNING = JSON.stringify({
  keys: [{ kty: 'EC', crv: 'P-256', x: NUMBER, y: NUMBER, d: NUMBER }],
})

const SECRETS = '[secrets]\nrequired = ["ASSERTION_KEYS"]'

describe('warnings', () => {
  const WARNINGS: readonly (readonly [what: string, text: string, expected: string])[] = [
    [
      'a long lifetime',
      toml({ issuer: `${PARTS.issuer}\nmax_lifetime = "60m"` }),
      'warning: ISSUERS.acme.max_lifetime: tokens may live 1h',
    ],
    [
      'no jti',
      toml({ issuer: `${PARTS.issuer}\nprofile = "generic"` }),
      'warning: ISSUERS.acme: jti is not required',
    ],
    [
      "the agent's token sent on",
      toml({ route: `${PARTS.route}\nforward_token = true` }),
      "warning: ROUTES[0].forward_token: THE AGENT'S TOKEN IS SENT ON",
    ],
    [
      'approval that is asked of tokens alone',
      toml({
        objects: PARTS.objects.replace(
          '[\n',
          '[\n  { name = "AGENTS", class_name = "AgentRegistry" },\n',
        ),
        classes: `${PARTS.classes}\n[exports.AgentRegistry]\ntype = "durable-object"\nstorage = "sqlite"`,
        route: `${PARTS.route}\naccess = "optional"\nagents = "approved"`,
      }),
      'warning: ROUTES[0].agents: has no effect with access = "optional"',
    ],
    [
      'an algorithm without an inline key',
      toml({
        issuer: `${PARTS.issuer.replace('"ES256"', '"ES256", "PS256"')}\njwks = { keys = [${KEY}] }`,
      }),
      'warning: ISSUERS.acme.jwks: no inline key is for PS256',
    ],
    [
      'an algorithm that an inline key is not for, though its type fits',
      toml({
        issuer: `${PARTS.issuer.replace('"ES256"', '"RS256", "PS256"')}\njwks = { keys = [{ kty = "RSA", e = "AQAB", n = "${RSA}" }] }`,
      }),
      'warning: ISSUERS.acme.jwks: no inline key is for PS256',
    ],
    [
      'an assertion that nobody wrote down',
      toml({ gate: PARTS.gate.replace('assertion = "identity"', '') }),
      'warning: GATE.assertion: is not written',
    ],
    [
      'nobody who makes keys',
      toml({ objects: PARTS.objects.replace(/.*ASSERTION_KEY_SERVICE.*/, ''), more: SECRETS }),
      'warning: bindings.ASSERTION_KEY_SERVICE: is not there, so assertions are signed with the keys of the secret ASSERTION_KEYS, and without that secret every request is refused. To have keys made, write { name = "ASSERTION_KEY_SERVICE", class_name = "AssertionKeyService" } among the bindings of [durable_objects]',
    ],
    [
      'nobody who makes keys, and no class of it',
      toml({
        objects: PARTS.objects.replace(/.*ASSERTION_KEY_SERVICE.*/, ''),
        classes: PARTS.classes.replace(/\[exports\.AssertionKeyService\][^[]*/, ''),
        more: SECRETS,
      }),
      'and [exports.AssertionKeyService] with type = "durable-object" and storage = "sqlite"',
    ],
    [
      'one shard for strict rules',
      toml({ gate: `${PARTS.gate}\nrevocation = { consistency = "strict", shards = 1 }` }),
      'warning: GATE.revocation.shards: is 1',
    ],
    [
      'a secret in plain text',
      toml({
        gate: `[vars]\nUPSTREAM = "open-sesame"\n${PARTS.gate}`,
        route: `${PARTS.route}\ninject = { X-Key = "\${UPSTREAM}" }`,
      }),
      'warning: UPSTREAM: is a secret in plain text',
    ],
    [
      'keys for assertions in plain text',
      toml({ gate: `[vars]\nASSERTION_KEYS = '${SIGNING}'\n${PARTS.gate}` }),
      'warning: ASSERTION_KEYS: is a secret in plain text',
    ],
  ]

  it.each(WARNINGS)('%s', async (_, text, expected) => {
    const outcome = await checkText(text)
    expect(outcome.err).toEqual([expect.stringContaining(expected)])
    expect(outcome.err.join()).not.toContain('sesame')
    expect(outcome.exitCode).toBe(0)
  })
})

describe('inline keys that tokens do not tell apart', () => {
  const named = (key: string, kid: string) => key.replace('{', `{ kid = "${kid}",`)
  const OTHER =
    '{ kty = "EC", crv = "P-256", x = "jMCh5iAqPoOe6YiJvxW5js7xVSKk-rKN0F5nEizvGxw", y = "NzpGwJyI6FOMObIbUBP6FW4RT8AkbbXEKL8z8cc_tTc" }'
  const found = async (...keys: readonly string[]) => {
    const issuer = `${PARTS.issuer}\njwks = { keys = [${keys.join(', ')}] }`
    const outcome = await checkText(toml({ issuer }))
    expect(outcome.exitCode).toBe(0)
    return outcome.err
  }

  it('are warned of by their kid', async () => {
    expect(await found(named(KEY, 'a'), named(OTHER, 'a'), named(KEY, 'b'))).toEqual([
      'warning: ISSUERS.acme.jwks: one of several keys has the kid `a`, so it is unclear which key a token means, and the token is refused as key_ambiguous; give each key a kid of its own',
    ])
    expect(await found(KEY, named(OTHER, 'b'))).toEqual([
      expect.stringContaining('one of several keys has no kid'),
    ])
  })

  it('are not one key twice, nor keys of several names', async () => {
    expect(await found(named(KEY, 'a'), named(KEY, 'a'))).toEqual([])
    expect(await found(named(KEY, 'a'), named(OTHER, 'b'))).toEqual([])
    expect(
      await found(named(KEY, 'a'), `{ kty = "RSA", kid = "a", e = "AQAB", n = "${RSA}" }`),
    ).toEqual([])
  })
})

describe('placeholders of the documentation', () => {
  const told = async (issuer: string, route: string = PARTS.route) =>
    (await checkText(toml({ issuer: `[vars.ISSUERS.acme]\n${issuer}`, route }))).err.filter(
      (line) => line.includes('placeholder'),
    )

  it.each([
    ['TENANT-ID', 'issuer = "https://login.microsoftonline.com/TENANT-ID/v2.0"'],
    ['your-tenant', 'issuer = "https://your-tenant.us.auth0.com/"'],
    ['your-org', 'issuer = "https://your-org.okta.com/oauth2/default"'],
    ['us-east-1_POOL', 'issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_POOL"'],
    ['eu-west-3_POOL', 'issuer = "https://cognito-idp.eu-west-3.amazonaws.com/eu-west-3_POOL"'],
  ])('%s: %s', async (word, entry) => {
    const [, url] = /"(.*)"/.exec(entry) ?? []
    expect(await told(entry)).toEqual([
      `ISSUERS.acme.issuer: "${url}" has the placeholder ${word}; write your own`,
    ])
  })

  it('count in the address of keys and in audiences, of issuers and of rules', async () => {
    const entry = `issuer = "https://auth.acme.dev"
jwks_uri = "https://login.microsoftonline.com/TENANT-ID/discovery/keys"
audiences = ["api://API-CLIENT-ID", "APP-CLIENT-ID", "CLIENT_ID", "https://api.example.com"]`
    const route = `${PARTS.route}\naudiences = ["API-CLIENT-ID"]`
    expect((await told(entry, route)).map((line) => line.split(': ', 1)[0])).toEqual([
      'ISSUERS.acme.jwks_uri',
      'ISSUERS.acme.audiences[0]',
      'ISSUERS.acme.audiences[1]',
      'ISSUERS.acme.audiences[2]',
      'ISSUERS.acme.audiences[3]',
      'ROUTES[0].audiences[0]',
    ])
  })

  it('are whole words', async () => {
    for (const host of ['your-organization', 'my-your-org', 'your-tenants']) {
      expect(await told(`issuer = "https://${host}.acme.dev"`)).toEqual([])
    }
    const ids = '"CLIENT-IDS", "us-east-1_POOLSIDE", "us-east-1_Ab3POOL", "tenant-id"'
    expect(await told(`issuer = "https://auth.acme.dev"\naudiences = [${ids}]`)).toEqual([])
  })

  it('are found in every entry of the README', async () => {
    const issuersPage = await readFile(join(ROOT, 'docs/issuers.md'), 'utf8')
    const [, entries = ''] = /\[vars\.ISSUERS_NAMED\][^\n]*\n(.*?)```/s.exec(issuersPage) ?? []
    const text = toml({ issuer: `[vars.ISSUERS_NAMED]\n${entries}` })
    const { err } = await checkText(text)
    for (const name of [
      'auth0',
      'okta',
      'entra',
      'keycloak',
      'clerk',
      'workos',
      'stytch',
      'cognito',
    ]) {
      expect(err.join('\n')).toMatch(new RegExp(`ISSUERS\\.${name}\\.issuer: .*placeholder`))
    }
    expect(err.join('\n')).toMatch(/entra\.audiences\[0\]: .*placeholder API-CLIENT-ID/)
    expect(err.join('\n')).toMatch(/cognito\.audiences\[0\]: .*placeholder APP-CLIENT-ID/)
  })
})

describe('placeholder hosts', () => {
  it.each([
    ['https://example.com', true],
    ['https://a.b.example.com:8443/x', true],
    ['https://EXAMPLE.com.', true],
    ['https://acme.example', true],
    ['*.example.com/*', true],
    ['acme.example', true],
    ['https://myexample.com', false],
    ['https://example.community', false],
    ['https://example.acme.dev', false],
    ['https://acme.dev/example.com', false],
    ['service:EXAMPLE', false],
    ['api://acme.example', true],
    ['urn:acme.example:api', false],
    ['api.example', true],
  ])('%s: %s', (text, expected) => {
    expect(isPlaceholder(text)).toBe(expected)
  })
})
