import { type KeyObject, sign } from 'node:crypto'
import fc from 'fast-check'
import { LIMITS } from '../../src/gate/base/limits.ts'
import { PROFILES } from '../../src/gate/policy/keys/profiles.ts'
import { ISSUER, NOW, RESOURCE } from '../kit/facts.ts'

/** Seconds. */
export const TOLERANCE = 5
/** Seconds. */
export const LIFE = PROFILES.rfc9068.maxLifetime
/** Part of a second, so that both sides have to round. */
export const INSTANT = NOW * 1000 + 700

/** A token to be signed, as text: members are JSON text, so that what no serialiser writes can stand there. */
export interface Case {
  readonly header: Readonly<Record<string, string>>
  readonly claims: Readonly<Record<string, string>>
  readonly again: string
  readonly wire: (token: string) => string
}

/** What is taken when nothing is changed. */
export const GOOD_HEADER = { alg: '"ES256"', typ: '"at+jwt"', kid: '"key-1"' }
export const GOOD_CLAIMS = {
  iss: JSON.stringify(ISSUER),
  aud: JSON.stringify(RESOURCE),
  sub: '"alice"',
  client_id: '"app"',
  jti: '"token-1"',
  iat: `${NOW - 60}`,
  exp: `${NOW + 600}`,
}

const wrong = [
  'null',
  'true',
  '""',
  '" "',
  '[]',
  '{}',
  '[1]',
  '0',
  '-1',
  '"a\\u0000b"',
  '"\\ud800"',
]
const around = (at: number) => [-1, -0.5, 0, 0.5, 1].map((by) => `${at + by}`)
const times = [
  ...around(NOW - TOLERANCE),
  ...around(NOW),
  ...around(NOW + TOLERANCE),
  ...around(NOW - LIFE),
  ...around(NOW - LIFE - TOLERANCE),
  ...around(NOW + LIFE),
  ...around(NOW - 60 + LIFE),
  ...around(NOW + 600 - LIFE),
  ...[NOW, NOW + 600].flatMap((at) => [`${at * 1000}`, `"${at}"`, `-${at}`, `[${at}]`]),
  ...['1e300', '9007199254740993', '-0'],
  // Often: few other values are taken by one reader and not by the other.
  ...['1e400', '-1e400', '1e400', '-1e400', '1e400', '-1e400', '1e400', '-1e400'],
]
const text = (...values: unknown[]) => values.map((value) => JSON.stringify(value))
const long = (length: number) => JSON.stringify('x'.repeat(length))
/** JSON arrays in one another. */
export const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
const names = ['"x"', long(LIMITS.revocationValue), long(LIMITS.revocationValue + 1)]

/** What may stand in place of a good value; `undefined` leaves the member out. */
const CLAIM_VALUES: Readonly<Record<string, readonly (string | undefined)[]>> = {
  iat: [...times, undefined],
  exp: [...times, undefined],
  nbf: times,
  iss: [...text(`${ISSUER}/`, [ISSUER], ISSUER.toUpperCase()), undefined],
  aud: [
    ...text(`${RESOURCE}/`, [RESOURCE], ['x', RESOURCE], [RESOURCE, 1], [RESOURCE, null]),
    ...text([[RESOURCE]], `${RESOURCE}//`, `${RESOURCE} x`, { [RESOURCE]: 1 }, 'x', ['x']),
    undefined,
  ],
  sub: [...names, undefined],
  client_id: [...names, undefined],
  azp: names,
  jti: [...names, undefined],
  scope: [...text('a b', 'a  b', 'a"b', ['a'], ['a b'])],
  nonce: ['"n"'],
  at_hash: ['"h"'],
  other: [nested(LIMITS.jsonDepth - 1), nested(LIMITS.jsonDepth), long(LIMITS.tokenLength)],
}
const HEADER_VALUES: Readonly<Record<string, readonly (string | undefined)[]>> = {
  alg: [...text('none', 'HS256', 'RS256', 'ES384', 'EdDSA', 'es256'), undefined],
  typ: [
    ...text('AT+JWT', 'application/at+jwt', 'Application/AT+jwt', 'jwt', 'JWT', 'dpop+jwt'),
    ...text('at+jwt ', 'application/application/at+jwt', 'x/at+jwt', 'absent'),
    undefined,
  ],
  kid: [long(LIMITS.kidLength), long(LIMITS.kidLength + 1), '"a b"', undefined],
  jwk: ['{"kty":"oct","k":"AA"}'],
  jku: ['"https://keys.example"'],
  crit: ['["b64"]', '["x"]', '[]'],
  b64: ['true', 'false'],
  cty: ['"JWT"'],
}

const change = (
  table: Readonly<Record<string, readonly (string | undefined)[]>>,
  alike: readonly string[],
) =>
  fc
    .constantFrom(...Object.keys(table))
    .chain((name) =>
      fc.tuple(
        fc.constant(name),
        fc.oneof(
          { weight: 5, arbitrary: fc.constantFrom(...(table[name] ?? [])) },
          { weight: 1, arbitrary: fc.constantFrom(...alike) },
        ),
      ),
    )

/** A whole life at the edges of what is taken: one time alone would make it too long. */
const lives = fc
  .tuple(fc.constantFrom(-6, -5, -4, 0, 4, 5, 6), fc.integer({ min: -1, max: 1 }), fc.boolean())
  .map(([by, more, ends]): [string, string][] => {
    const exp = (ends ? NOW : NOW + LIFE) + by
    return [
      ['iat', `${exp - LIFE + more}`],
      ['exp', `${exp}`],
    ]
  })

const changed = (
  good: Readonly<Record<string, string>>,
  changes: readonly (readonly [string, string | undefined])[],
): Record<string, string> => {
  const members: Record<string, string | undefined> = { ...good, ...Object.fromEntries(changes) }
  return Object.fromEntries(
    Object.entries(members).filter((one): one is [string, string] => one[1] !== undefined),
  )
}

const WIRES: readonly ((token: string) => string)[] = [
  (token) => `${token}==`,
  (token) => `${token}.`,
  (token) => token.slice(0, -1),
  (token) => token.replace('.', 'A.'),
  // The last of 86 characters has two unused bits.
  (token) => token.slice(0, -1) + ({ A: 'B', Q: 'R', g: 'h', w: 'x' }[token.at(-1) ?? ''] ?? ''),
  (token) => token.slice(0, -9) + (token.at(-9) === 'A' ? 'B' : 'A') + token.slice(-8),
]
/** Sends the token as it was signed. */
export const same = (token: string) => token

/** Good tokens with up to two members changed, sometimes a member more or another spelling. */
export const cases: fc.Arbitrary<Case> = fc.record({
  header: fc
    .oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(change(HEADER_VALUES, wrong), { maxLength: 2 }) },
    )
    .map((changes) => changed(GOOD_HEADER, changes)),
  claims: fc
    .oneof(
      { weight: 6, arbitrary: fc.array(change(CLAIM_VALUES, wrong), { maxLength: 2 }) },
      { weight: 2, arbitrary: lives },
    )
    .map((changes) => changed(GOOD_CLAIMS, changes)),
  again: fc.oneof(
    { weight: 12, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: fc.constantFrom('"sub":"alice"', '"__proto__":{}', '"exp":0') },
  ),
  wire: fc.oneof(
    { weight: 12, arbitrary: fc.constant(same) },
    { weight: 1, arbitrary: fc.constantFrom(...WIRES) },
  ),
})

/** The compact JWS, signed with ES256 whatever its header says. */
export const tokenOf = ({ header, claims, again, wire }: Case, privateKey: KeyObject): string => {
  const json = (members: Readonly<Record<string, string>>, more = '') =>
    `{${[...Object.entries(members).map(([name, value]) => `"${name}":${value}`), more]
      .filter((member) => member !== '')
      .join()}}`
  const input = [json(header), json(claims, again)]
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.')
  const signed = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return wire(`${input}.${signed.toString('base64url')}`)
}
