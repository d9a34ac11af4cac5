import { parse } from 'smol-toml'
import { expect, it } from 'vitest'
import { tomlTable } from '../../../src/command/base/toml.ts'

it('writes a table that is TOML', () => {
  const entry = {
    issuer: 'https://a.dev/"x',
    algorithms: ['ES256', 'RS256'],
    allow_insecure_http: true,
    jwks: { keys: [{ kty: 'EC', crv: 'P-256' }] },
  }
  expect(parse(tomlTable('vars.ISSUERS.acme', entry).join('\n'))).toEqual({
    vars: { ISSUERS: { acme: entry } },
  })
})
