import { afterEach, describe, expect, it, vi } from 'vitest'
import { FORBIDDEN_TYPES } from '../../../src/gate/base/jws.ts'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { credential } from '../../../src/gate/guard/stages/credential.ts'
import { seal, signedOf, type VerifiedToken } from '../../../src/gate/model/token.ts'
import { decryptionOf } from '../../../src/gate/policy/keys/decrypt.ts'
import { createEncryptionKey, encrypt, secretOf } from '../../kit/encryption.ts'
import {
  addressOf,
  codeOf,
  ISSUER,
  issuerOf,
  noTokens,
  policyOf,
  RESOURCE,
  requestTo,
  routeOf,
} from '../../kit/facts.ts'

const part = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: 'key-1' }
const CLAIMS = { iss: ISSUER, sub: 'alice' }

/** A token nobody signed: here nothing is verified yet. */
const tokenOf = (header: unknown = {}, claims: unknown = CLAIMS) =>
  `${part(typeof header === 'object' ? { ...HEADER, ...header } : header)}.${part(claims)}.AA`

const TOKEN = tokenOf()

const run = async (
  authorization: string | Headers | undefined,
  {
    query = '',
    access = 'required' as 'required' | 'public' | 'optional',
    policy = policyOf(),
    issuers = undefined as ReadonlySet<string> | undefined,
    tokens = noTokens,
  } = {},
) => {
  const headers =
    authorization instanceof Headers
      ? authorization
      : new Headers(authorization === undefined ? {} : { authorization })
  const url = `${RESOURCE}/x${query}`
  return credential.run(
    {
      request: requestTo(url, { headers }),
      policy,
      route: routeOf('GET /x', { access, ...(issuers && { issuers }) }),
      address: addressOf(url),
    },
    { tokens },
  )
}

describe('the Authorization header', () => {
  it.each<[string, string | undefined]>([
    ['ok', `Bearer ${TOKEN}`],
    ['ok', `bearer ${TOKEN}`],
    ['ok', `BEARER   ${TOKEN}`],
    ['credential_missing', undefined],
    ['credential_missing', ''],
    ['credential_missing', ' \t '],
    ['scheme_unsupported', 'Basic YTpi'],
    ['scheme_unsupported', TOKEN],
    ['scheme_unsupported', `Bearer${TOKEN}`],
    ['scheme_unsupported', `Token ${TOKEN}`],
    ['ok', `DPoP ${TOKEN}`],
    ['ok', `dpop ${TOKEN}`],
    ['credential_malformed', 'Bearer'],
    ['credential_malformed', 'DPoP'],
    ['credential_malformed', `DPoP ${TOKEN} ${TOKEN}`],
    ['credential_malformed', 'DPoP "x"'],
    ['credential_malformed', `Bearer\t${TOKEN}`],
    ['credential_malformed', `Bearer ${TOKEN} ${TOKEN}`],
    ['credential_malformed', `Bearer ${TOKEN}, Bearer ${TOKEN}`],
    ['credential_malformed', `Bearer ${TOKEN},`],
    ['credential_malformed', `Basic YTpi, Bearer ${TOKEN}`],
    ['credential_malformed', `Bearer ${TOKEN}, Basic YTpi`],
    ['credential_malformed', `DPoP ${TOKEN}, Bearer ${TOKEN}`],
    ['credential_malformed', 'Basic YTpi, Basic YzpkZA=='],
    ['credential_malformed', 'Basic YTpi,Negotiate'],
    ['credential_malformed', 'Basic YTpi, Digest username="a", realm="b"'],
    ['credential_malformed', 'Digest realm="a\\", b", Basic YTpi'],
    ['credential_malformed', 'Digest realm="a, Basic YTpi'],
    ['scheme_unsupported', 'Basic YTpi,'],
    ['scheme_unsupported', 'Digest username="a", realm="b, Basic c", nc=00000001, qop = auth'],
    ['scheme_unsupported', 'Digest realm="a\\", Bearer b", uri="/"'],
    ['credential_malformed', `Bearer "${TOKEN}"`],
    ['credential_malformed', `Bearer token=${TOKEN}`],
    ['credential_malformed', `Bearer ${TOKEN}\u00e4`],
    ['credential_malformed', 'Bearer {}.{}.AA'],
    ['token_malformed', `Bearer ${TOKEN}=`],
    ['token_malformed', `Bearer ${TOKEN}==`],
  ])('%s for %.60j', async (code, authorization) => {
    expect(codeOf(await run(authorization))).toBe(code)
  })

  it('counts once: two headers are refused, also when they are equal', async () => {
    const headers = new Headers()
    headers.append('authorization', `Bearer ${TOKEN}`)
    headers.append('authorization', `Bearer ${TOKEN}`)
    expect(codeOf(await run(headers))).toBe('credential_malformed')
  })

  it('is read in no time, however many quotes it has', async () => {
    // Read in the square of its length it would take longer than any test may.
    expect(codeOf(await run(`Digest ${'"\\'.repeat(500_000)}`))).toBe('scheme_unsupported')
  })

  it.each([
    ['?access_token=x', 'credential_in_query'],
    ['?access_token', 'credential_in_query'],
    ['?a=1&access%5Ftoken=x', 'credential_in_query'],
    ['?access_token_hint=x', 'ok'],
    ['?q=access_token', 'ok'],
  ])('with the query %s: %s', async (query, code) => {
    expect(codeOf(await run(`Bearer ${TOKEN}`, { query }))).toBe(code)
  })

  it.each([
    ['public', undefined, '', 'end'],
    ['public', 'Bearer rubbish', '', 'end'],
    ['public', undefined, '?access_token=x', 'credential_in_query'],
    ['optional', undefined, '', 'end'],
    ['optional', `Bearer ${TOKEN}`, '', 'ok'],
    ['optional', '', '', 'credential_missing'],
    ['optional', 'Basic YTpi', '', 'scheme_unsupported'],
    ['optional', 'Bearer', '', 'credential_malformed'],
    ['optional', 'Bearer rubbish', '', 'token_malformed'],
    ['optional', undefined, '?access_token=x', 'credential_in_query'],
  ] as const)('on a %s route, %j%s: %s', async (access, authorization, query, code) => {
    expect(codeOf(await run(authorization, { access, query }))).toBe(code)
  })
})

describe('the token', () => {
  it.each<[string, string]>([
    ['token_malformed', 'x'],
    ['token_malformed', '.'.repeat(2)],
    ['token_malformed', '.'.repeat(LIMITS.tokenLength)],
    ['token_malformed', TOKEN.slice(0, TOKEN.lastIndexOf('.'))],
    ['token_malformed', `${TOKEN}.`],
    ['token_malformed', `${TOKEN}.AA`],
    ['token_encrypted', `${TOKEN}.AA.AA`],
    ['token_malformed', `${TOKEN}.AA.AA.AA`],
    ['token_malformed', tokenOf({}, '{"iss":"a","iss":"b"}')],
    ['token_malformed', tokenOf('{"alg":"ES256","alg":"none"}')],
    ['token_malformed', tokenOf('[]')],
    ['token_malformed', tokenOf({}, '"x"')],
    ['token_malformed', tokenOf({}, '')],
    ['token_malformed', tokenOf({}, {})],
    ['token_malformed', tokenOf({}, { iss: 1 })],
    ['token_malformed', tokenOf({}, { iss: null })],
    ['token_malformed', tokenOf({}, { iss: [ISSUER] })],
    ['token_malformed', tokenOf({}, `{"__proto__":{"iss":"${ISSUER}"}}`)],
    ['token_malformed', tokenOf({}, `{"iss":"${ISSUER}","a":[{"__proto__":1}]}`)],
    ['token_malformed', tokenOf('{"alg":"ES256","__proto__":null}')],
    ['token_malformed', tokenOf({}, `{"iss":"${ISSUER}","a":${'['.repeat(40)}${']'.repeat(40)}}`)],
    ['token_malformed', TOKEN.replace(/AA$/, 'AB')],
    ['token_too_long', `${TOKEN}${'A'.repeat(LIMITS.tokenLength)}`],
    ['header_forbidden', tokenOf({ crit: ['exp'], exp: 1 })],
    ['header_forbidden', tokenOf({ crit: [] })],
    ['header_forbidden', tokenOf({ b64: true })],
    ['header_forbidden', tokenOf({ jwk: {} })],
    ['header_forbidden', tokenOf({ jku: 'https://evil.example' })],
    ['header_forbidden', tokenOf({ x5u: 'https://evil.example' })],
    ['header_forbidden', tokenOf({ x5c: [] })],
    ['header_forbidden', tokenOf({ x5c: null })],
    ...['none', 'None', 'noNE', '', 'HS256', 'HS512', 'es256', 'ES256K', 'RSA1_5', ' ES256'].map(
      (alg): [string, string] => ['algorithm_forbidden', tokenOf({ alg })],
    ),
    ['algorithm_forbidden', tokenOf({ alg: ['ES256'] })],
    ['algorithm_forbidden', tokenOf({ alg: undefined })],
    ['algorithm_forbidden', tokenOf({ alg: 'constructor' })],
    ['token_malformed', tokenOf({ kid: '' })],
    ['token_malformed', tokenOf({ kid: 1 })],
    ['token_malformed', tokenOf({ kid: null })],
    ['token_malformed', tokenOf({ kid: 'a b' })],
    ['token_malformed', tokenOf({ kid: 'a\n' })],
    ['token_malformed', tokenOf({ kid: 'ä' })],
    ['token_malformed', tokenOf({ kid: 'a'.repeat(LIMITS.kidLength + 1) })],
    ['ok', tokenOf({ kid: 'a'.repeat(LIMITS.kidLength) })],
    ['ok', tokenOf({ kid: '../../etc/passwd' })],
    ['ok', tokenOf({ kid: '__proto__' })],
    ['token_malformed', tokenOf({ typ: '' })],
    ['token_malformed', tokenOf({ typ: 1 })],
    ['token_malformed', tokenOf({ typ: null })],
    ['token_malformed', tokenOf({ typ: ['at+jwt'] })],
    ['token_malformed', tokenOf({ typ: 'application/Absent' })],
    ...[...FORBIDDEN_TYPES].flatMap((typ): [string, string][] => [
      ['type_forbidden', tokenOf({ typ })],
      ['type_forbidden', tokenOf({ typ: `Application/${typ.toUpperCase()}` })],
    ]),
  ])('%s for %.60s', async (code, token) => {
    expect(codeOf(await run(`Bearer ${token}`))).toBe(code)
  })

  it('may be just as long as the limit', async () => {
    const pad = LIMITS.tokenLength - TOKEN.length
    const full = TOKEN.slice(0, -2) + 'A'.repeat(pad + 2 - ((pad + 2) % 4))
    expect(codeOf(await run(`Bearer ${full}`))).toBe('ok')
  })

  it.each<[object, object]>([
    [{}, { algorithm: 'ES256', type: 'at+jwt', kid: 'key-1' }],
    [{ typ: 'application/AT+JWT' }, { type: 'at+jwt' }],
    [{ typ: 'JWT' }, { type: 'jwt' }],
    [{ typ: undefined }, { type: 'absent' }],
    [{ alg: 'EdDSA' }, { algorithm: 'Ed25519' }],
    [{ alg: 'Ed25519' }, { algorithm: 'Ed25519' }],
    [{ alg: 'PS512' }, { algorithm: 'PS512' }],
  ])('with the header %j reads %j', async (header, facts) => {
    const token = tokenOf(header)
    expect(await run(`Bearer ${token}`)).toMatchObject({
      ok: true,
      value: { credential: { token, claimedIssuer: ISSUER, ...facts } },
    })
  })

  it('lets nothing unverified be read but the header and the issuer', async () => {
    const outcome = await run(`Bearer ${tokenOf({ kid: undefined })}`)
    if (!outcome.ok) throw new Error(outcome.reason.code)
    expect(Object.keys(outcome.value.credential ?? {}).sort()).toEqual([
      'algorithm',
      'authorization',
      'claimedIssuer',
      'scheme',
      'token',
      'type',
    ])
  })
})

describe('an encrypted token', async () => {
  const OTHER = 'https://other.example.com'
  const [key, foreign] = await Promise.all([createEncryptionKey(), createEncryptionKey()])
  const entryOf = (issuer: string, secret = secretOf(key)) => {
    const decrypt = decryptionOf(
      { secret: 'KEYS' },
      { has: () => true, secret: () => secret },
      () => {},
    )
    return issuerOf({ issuer, ...(decrypt && { decrypt }) })
  }
  const entry = entryOf(ISSUER)
  const policy = policyOf([], { issuers: [entry, issuerOf({ issuer: OTHER })] })
  const sealed = (inner: string | Uint8Array = TOKEN) => encrypt(inner, key)
  const ask = async (token: string | Promise<string>, given: Parameters<typeof run>[1] = {}) =>
    run(`Bearer ${await token}`, { policy, ...given })

  it('is read from what is inside it', async () => {
    const token = await sealed()
    const outcome = await ask(token)
    expect(outcome).toEqual({
      ok: true,
      value: {
        remembered: undefined,
        credential: seal(
          {
            token,
            authorization: `Bearer ${token}`,
            scheme: 'Bearer',
            opened: { by: entry, signed: TOKEN },
            algorithm: 'ES256',
            type: 'at+jwt',
            kid: 'key-1',
            claimedIssuer: ISSUER,
          },
          { iss: ISSUER, sub: 'alice' },
        ),
      },
    })
    if (!outcome.ok || !outcome.value.credential) throw new Error('not read')
    expect(outcome.value.credential.opened?.by).toBe(entry)
    expect(signedOf(outcome.value.credential)).toBe(TOKEN)
    const plain = await ask(TOKEN)
    if (!plain.ok || !plain.value.credential) throw new Error('not read')
    expect(plain.value.credential).not.toHaveProperty('opened')
    expect(signedOf(plain.value.credential)).toBe(TOKEN)
  })

  it.each<[string, object]>([
    ['ok', {}],
    ['ok', { access: 'optional' }],
    ['ok', { issuers: new Set([ISSUER]) }],
    ['token_encrypted', { issuers: new Set([OTHER]) }],
    ['token_encrypted', { policy: policyOf() }],
    ['end', { access: 'public' }],
    ['credential_in_query', { query: '?access_token=x' }],
  ])('is %s given %j', async (code, given) => {
    expect(codeOf(await ask(sealed(), given))).toBe(code)
  })

  it.each<[string, string, string | (() => string | Promise<string>)]>([
    ['no token', 'token_malformed', 'x'],
    ['nothing', 'token_malformed', ''],
    ['another one', 'token_malformed', sealed],
    ['the claims alone', 'token_malformed', JSON.stringify(CLAIMS)],
    ['a token and more', 'token_malformed', `${TOKEN}.AA`],
    ['a token and a line break', 'token_malformed', `${TOKEN}\n`],
    ['a byte order mark', 'token_malformed', `\ufeff${TOKEN}`],
    ['one without iss', 'token_malformed', tokenOf({}, {})],
    ['members said twice', 'token_malformed', tokenOf({}, '{"iss":"a","iss":"b"}')],
    ['one nobody signed', 'algorithm_forbidden', tokenOf({ alg: 'none' })],
    ['one signed with a shared key', 'algorithm_forbidden', tokenOf({ alg: 'HS256' })],
    ['one that brings its key', 'header_forbidden', tokenOf({ jwk: {} })],
    ['a JWT of another kind', 'type_forbidden', tokenOf({ typ: 'dpop+jwt' })],
    ['an issuer that is unknown', 'ok', tokenOf({}, { iss: 'https://evil.example' })],
  ])('that holds %s: %s', async (_what, code, inner) => {
    const held = typeof inner === 'string' ? inner : await inner()
    const outcome = await ask(sealed(held))
    expect(codeOf(outcome)).toBe(code)
    // What is inside is for nobody but the gate.
    if (!outcome.ok) expect(outcome.reason.detail).toBeUndefined()
  })

  it('of another key, or changed, has one code', async () => {
    const token = await sealed()
    for (const one of [
      await encrypt(TOKEN, { ...foreign, kid: key.kid }),
      await encrypt(TOKEN, foreign),
      token.replace(/[^.]{22}$/, 'A'.repeat(22)),
    ]) {
      expect(codeOf(await ask(one))).toBe('decryption_failed')
    }
  })

  it('is no longer than any other', async () => {
    const padded = (length: number) => encrypt(TOKEN.replace(/AA$/, 'A'.repeat(length)), key)
    const long = await padded(LIMITS.tokenLength)
    expect(long.length).toBeGreaterThan(LIMITS.tokenLength)
    expect(codeOf(await ask(long))).toBe('token_too_long')
    const most = await padded(11_400)
    expect(most.length).toBeLessThanOrEqual(LIMITS.tokenLength)
    expect(codeOf(await ask(most))).toBe('ok')
  })

  describe('that is remembered', () => {
    const decrypt = vi.spyOn(crypto.subtle, 'decrypt')
    afterEach(() => decrypt.mockClear())
    const memoryOf = async (by = entry) => {
      const token = await sealed()
      const outcome = await ask(token, { policy: policyOf([], { issuers: [by] }) })
      if (!outcome.ok || !outcome.value.credential) throw new Error('not read')
      decrypt.mockClear()
      const { credential } = outcome.value
      const held = { credential, token: {} as VerifiedToken, admissions: new Map() }
      const find = (text: string) => (text === `Bearer ${token}` ? held : undefined)
      return { token, credential, tokens: { find, keep: () => {} } }
    }

    it('is not opened again', async () => {
      const { token, credential, tokens } = await memoryOf()
      for (let i = 0; i < 3; i++) {
        const outcome = await ask(token, { tokens })
        expect(outcome.ok && outcome.value.credential).toBe(credential)
      }
      expect(decrypt).not.toHaveBeenCalled()
    })

    it('is opened anew by another entry, be it equal', async () => {
      const { token, credential, tokens } = await memoryOf()
      const again = entryOf(ISSUER)
      const outcome = await ask(token, { policy: policyOf([], { issuers: [again] }), tokens })
      if (!outcome.ok) throw new Error(outcome.reason.code)
      expect(outcome.value.remembered).toBeUndefined()
      expect(outcome.value.credential).not.toBe(credential)
      expect(outcome.value.credential?.opened?.by).toBe(again)
      expect(decrypt).toHaveBeenCalled()
    })

    it.each<[string, string, object]>([
      ['where its issuer is not taken', 'token_encrypted', { issuers: new Set([OTHER]) }],
      ['once no key is there', 'token_encrypted', { policy: policyOf() }],
      [
        'once its key is another',
        'decryption_failed',
        { policy: policyOf([], { issuers: [entryOf(ISSUER, secretOf(foreign))] }) },
      ],
      [
        'where another issuer has its key',
        'ok',
        { policy: policyOf([], { issuers: [issuerOf(), entryOf(OTHER)] }) },
      ],
    ])('does not count %s: %s', async (_when, code, given) => {
      const { token, credential, tokens } = await memoryOf()
      const outcome = await ask(token, { tokens, ...given })
      expect(codeOf(outcome)).toBe(code)
      if (outcome.ok) {
        expect(outcome.value.credential?.opened?.by.issuer).toBe(OTHER)
        expect(outcome.value.credential).not.toBe(credential)
      }
    })
  })
})
