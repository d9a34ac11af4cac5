import { describe, expect, it } from 'vitest'
import { check } from '../../src/cli/check.ts'
import { isPlaceholder } from '../../src/cli/lint.ts'
import { folder, KEY, PARTS, toml, write } from './kit.ts'

/** A modulus of 2048 bits, as far as its form goes. */
const RSA = `${'_'.repeat(341)}w`

const directory = await folder()
const checkText = async (text: string) => check({ file: await write(directory, 'w.toml', text) })

describe('warnings', () => {
  const WARNINGS: readonly (readonly [what: string, text: string, expected: string])[] = [
    [
      'a long lifetime',
      toml({ issuer: `${PARTS.issuer}\nmax_lifetime = "60m"` }),
      'warning: ISSUERS.acme.max_lifetime: tokens may live 60m',
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
      'a secret in plain text',
      toml({
        gate: `[vars]\nUPSTREAM = "sesame"\n${PARTS.gate}`,
        route: `${PARTS.route}\ninject = { X-Key = "\${UPSTREAM}" }`,
      }),
      'warning: UPSTREAM: is a secret in plain text',
    ],
  ]

  it.each(WARNINGS)('%s', async (_, text, expected) => {
    const outcome = await checkText(text)
    expect(outcome.err).toEqual([expect.stringContaining(expected)])
    expect(outcome.err.join()).not.toContain('sesame')
    expect(outcome.exitCode).toBe(0)
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
  ])('%s: %s', (text, expected) => {
    expect(isPlaceholder(text)).toBe(expected)
  })
})
