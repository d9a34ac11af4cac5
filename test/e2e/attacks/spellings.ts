import { KID, type World } from '../world.ts'
import {
  parts,
  payloadWith,
  rawPayload,
  type TokenAttack,
  tampered,
  withClaims,
} from './forging.ts'

/** Swaps the last character of a part for another one with the same bytes behind it. */
const withTrailingBits = (part: string): string => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return part.slice(0, -1) + alphabet[alphabet.indexOf(part.at(-1) ?? '') + 1]
}

const header = (fill: string) => ({ typ: 'at+jwt', alg: 'ES256', kid: KID, fill })

/** A header whose base64url has bits left over, whatever the rest is. */
const paddable = (world: World) => {
  const fill = ['', ' ', '  '].find((one) => JSON.stringify(header(one)).length % 3 === 1) ?? ''
  return parts(world.acme.mintRaw(header(fill), world.acme.claims()))
}

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

/** Bytes that two readers could read as two tokens, or that are none. */
export const SPELLINGS: readonly TokenAttack[] = [
  ...['alg', 'kid', 'typ'].map(
    (name): TokenAttack => [
      `${name} twice in the header`,
      'token_malformed',
      ({ acme }) =>
        acme.mintRaw(
          JSON.stringify({ typ: 'at+jwt', alg: 'ES256', kid: KID }).replace('{', `{"${name}":"x",`),
          acme.claims(),
        ),
    ],
  ),
  ...['iss', 'sub', 'aud', 'exp', 'scope', 's\\u0075b'].map(
    (name): TokenAttack => [
      `${name} twice in the payload`,
      'token_malformed',
      (world) => rawPayload(world, payloadWith(world, `"${name}":"x"`)),
    ],
  ),
  [
    'a member twice in a nested object',
    'token_malformed',
    (world) => rawPayload(world, payloadWith(world, '"act":{"sub":"a","sub":"b"}')),
  ],
  ['deep JSON', 'token_malformed', (w) => rawPayload(w, payloadWith(w, `"x":${nested(1_000)}`))],
  [
    'deep arrays',
    'token_malformed',
    (w) => rawPayload(w, payloadWith(w, `"x":${'['.repeat(5_000)}${']'.repeat(5_000)}`)),
  ],
  ['a BOM in front', 'token_malformed', (w) => rawPayload(w, `\ufeff${payloadWith(w, '"x":1')}`)],
  [
    'invalid UTF-8',
    'token_malformed',
    (w) => rawPayload(w, Buffer.from(payloadWith(w, '"x":"\xff\xfe"'), 'latin1')),
  ],
  [
    'overlong UTF-8',
    'token_malformed',
    (w) => rawPayload(w, Buffer.from(payloadWith(w, '"x":"\xc0\xaf"'), 'latin1')),
  ],
  [
    'encoded surrogates (CESU-8)',
    'token_malformed',
    (w) => rawPayload(w, Buffer.from(payloadWith(w, '"x":"\xed\xa0\x80"'), 'latin1')),
  ],
  ...['[]', 'null', '"x"', '1', '', '{', '{}x', "{'iss':1}", '{"iss":NaN}'].map(
    (text): TokenAttack => [
      `payload ${text}`,
      'token_malformed',
      (world) => rawPayload(world, text),
    ],
  ),
  ['a header that is a list', 'token_malformed', ({ acme }) => acme.mintRaw('[]', acme.claims())],
  [
    'padding behind the header',
    'credential_malformed',
    async (world) => (await paddable(world)).join('.').replace('.', '==.'),
  ],
  ['padding behind the signature', 'token_malformed', async (w) => `${await w.token()}==`],
  [
    'bits left over in the signature',
    'token_malformed',
    (world) => tampered(world, withTrailingBits),
  ],
  [
    'bits left over in the header',
    'token_malformed',
    async (world) => {
      const [head = '', ...rest] = await paddable(world)
      return [withTrailingBits(head), ...rest].join('.')
    },
  ],
  [
    'base64 with + and /',
    'token_malformed',
    (world) => tampered(world, (signature) => `++//${signature.slice(4)}`),
  ],
  ['two parts', 'token_malformed', async (w) => (await parts(w.token())).slice(0, 2).join('.')],
  ['one part', 'token_malformed', () => 'opaque-token'],
  ['four parts', 'token_malformed', async (w) => `${await w.token()}.AAAA`],
  ['five parts (JWE)', 'token_encrypted', async (w) => `${await w.token()}.AAAA.AAAA`],
  ['six parts', 'token_malformed', async (w) => `${await w.token()}.AAAA.AAAA.AAAA`],
  ['dots only', 'token_malformed', () => 'a'.padEnd(200, '.')],
  ['empty parts', 'token_malformed', () => '..'],
  ['an empty header', 'token_malformed', async (w) => (await w.token()).replace(/^[^.]+/, '')],
  ['17 KB', 'token_too_long', withClaims({ fill: 'x'.repeat(13_000) })],
  ['100 KB', 'token_too_long', withClaims({ fill: 'x'.repeat(75_000) })],
  ['100 KB of dots', 'token_too_long', () => 'a'.padEnd(100_000, '.')],
]

/** Members that a careless reader would take for the object's own: refused wherever they stand. */
export const PROTOTYPES: readonly TokenAttack[] = [
  [
    '__proto__ with every required claim',
    'token_malformed',
    (world) => {
      const { sub, client_id, jti, ...rest } = world.acme.claims()
      const proto = JSON.stringify({ sub, client_id, jti })
      return rawPayload(world, JSON.stringify(rest).replace('{', `{"__proto__":${proto},`))
    },
  ],
  [
    '__proto__ with the times',
    'token_malformed',
    (world) => {
      const { exp, iat, ...rest } = world.acme.claims()
      const proto = JSON.stringify({ exp, iat })
      return rawPayload(world, JSON.stringify(rest).replace('{', `{"__proto__":${proto},`))
    },
  ],
  [
    '__proto__ with an issuer',
    'token_malformed',
    (world) => {
      const { iss, ...rest } = world.acme.claims()
      const proto = JSON.stringify({ iss })
      return rawPayload(world, JSON.stringify(rest).replace('{', `{"__proto__":${proto},`))
    },
  ],
  [
    '__proto__ with the algorithm',
    'token_malformed',
    ({ acme }) =>
      acme.mintRaw(`{"__proto__":{"alg":"ES256","typ":"at+jwt","kid":"${KID}"}}`, acme.claims()),
  ],
  [
    '__proto__ in place of an agent id',
    'token_malformed',
    (world) => {
      const { agent, ...rest } = world.ops.claims()
      const text = JSON.stringify(rest).replace('{', '{"__proto__":{"agent":{"id":"root"}},')
      return world.ops.mintRaw({ typ: 'at+jwt', alg: 'Ed25519', kid: KID }, text)
    },
  ],
]
