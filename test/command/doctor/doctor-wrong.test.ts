import { describe, expect, it } from 'vitest'
import type { Issuer } from '../../kit/issuer.ts'
import type { FaultName } from '../../kit/issuer-faults.ts'
import { createKey } from '../../kit/signing.ts'
import { examine, startIssuer, weakRsaKey } from './doctor-kit.ts'

const second = await createKey('ES256', 'second')
const weak = await weakRsaKey('weak')

describe('a fault of the kit', () => {
  const FAULTS: Readonly<Partial<Record<FaultName, readonly [number, readonly string[], string]>>> =
    {
      down: [2, ['issuer_unreachable'], 'nothing listens there'],
      destroy: [2, ['keys_unreachable'], 'the connection was cut'],
      nowhere: [2, ['keys_unreachable'], 'unreachable: '],
      error: [1, ['keys_unreadable'], 'status 500'],
      elsewhere: [1, ['keys_unreadable'], 'redirected elsewhere: to "http://localhost:'],
      loop: [1, ['keys_unreadable'], 'too many redirects'],
      page: [1, ['keys_unreadable'], 'not served as JSON: Content-Type "text/html'],
      truncated: [1, ['keys_unreadable'], 'truncated'],
      huge: [1, ['keys_unreadable'], 'too large'],
      broken: [1, ['keys_unreadable'], 'not a JSON object'],
      keyless: [1, ['not_a_key_set'], 'is not a JWK set'],
      empty: [1, ['no_keys'], 'The key set is empty'],
      private: [1, ['key_private'], 'PRIVATE KEY MATERIAL IS PUBLISHED: "private"'],
      stranger: [1, ['issuer_mismatch'], 'they differ by the slash at the end'],
    }

  it.each(Object.entries(FAULTS))('%s', async (name, [exitCode, problems, message]) => {
    const issuer = await startIssuer()
    await issuer.fail(name as FaultName)
    const found = await examine(issuer.issuer)
    expect(found).toMatchObject({ exitCode, problems })
    expect(found.err).toContain(message)
    expect(found.err.match(/What to do: \S/g)?.length).toBeGreaterThanOrEqual(problems.length)
    expect(found.report.healthy).toBe(false)
    expect('error' in found.report).toBe(exitCode === 2)
    expect(found.report.problems.every(({ fix }) => fix !== '')).toBe(true)
    const { d } = issuer.privateJwk
    expect(JSON.stringify(found)).not.toContain(d)
  })
})

describe('what is wrong', () => {
  const iss = (issuer: Issuer, more: object = {}) => ({
    issuer: issuer.issuer,
    jwks_uri: issuer.jwksUri,
    ...more,
  })

  it.each<[string, (issuer: Issuer) => void, readonly string[], string]>([
    ['no metadata', (one) => one.setMetadata({ oauth: 404 }), ['metadata_missing'], 'status 404'],
    [
      'a page as metadata',
      (one) => one.setMetadata({ oauth: '<html>' }),
      ['metadata_missing'],
      'no metadata',
    ],
    [
      'no jwks_uri',
      (one) => one.setMetadata({ openid: { issuer: one.issuer }, oauth: { issuer: one.issuer } }),
      ['jwks_uri_missing'],
      'jwks_uri',
    ],
    [
      'no issuer',
      (one) => one.setMetadata({ oauth: { jwks_uri: one.jwksUri } }),
      ['issuer_mismatch'],
      'it names no issuer',
    ],
    [
      'an issuer that only looks alike',
      (one) => one.setMetadata({ oauth: iss(one, { issuer: one.issuer.replace('1', '١') }) }),
      ['issuer_mismatch'],
      '\\u0661',
    ],
    ['keys that are not there', (one) => void one.fail(404), ['keys_unreadable'], 'status 404'],
    [
      'a jwks_uri by http',
      (one) => one.setMetadata({ oauth: iss(one, { jwks_uri: 'http://keys.acme.dev/' }) }),
      ['keys_unreadable'],
      'http to a host that is not this machine',
    ],
    [
      'a jwks_uri with a password',
      (one) => one.setMetadata({ oauth: iss(one, { jwks_uri: 'https://a:b@keys.acme.dev/' }) }),
      ['keys_unreadable'],
      'name or password',
    ],
    [
      'one kid for two keys',
      (one) => one.setKeys([one.jwk, { ...second.jwk, kid: one.kid }]),
      ['key_same_kid'],
      'one kid',
    ],
    [
      'no kid for two keys, beside one that is too small',
      (one) =>
        one.setKeys([{ ...one.jwk, kid: undefined }, { ...second.jwk, kid: undefined }, weak]),
      ['key_no_kid'],
      'entry 1, entry 2',
    ],
  ])('%s', async (_, breakIt, problems, message) => {
    const issuer = await startIssuer()
    breakIt(issuer)
    const found = await examine(issuer.issuer)
    expect(found).toMatchObject({ exitCode: 1, problems })
    expect(found.err).toContain(message)
  })
})
