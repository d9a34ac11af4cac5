import { createPublicKey } from 'node:crypto'
import { base64url } from 'jose'
import { createKey, type Members, signRaw } from '../../kit/signing.ts'
import { KID, type World } from '../world.ts'
import { parts, signed, type TokenAttack, tampered } from './forging.ts'

const publicKeyBytes = ({ acme }: World, form: 'pem' | 'der' | 'jwk' | 'point') => {
  const key = createPublicKey({ key: { ...acme.jwk }, format: 'jwk' })
  if (form === 'pem') return Buffer.from(String(key.export({ type: 'spki', format: 'pem' })))
  if (form === 'der') return key.export({ type: 'spki', format: 'der' })
  if (form === 'jwk') return Buffer.from(JSON.stringify(acme.jwk))
  const { x = '', y = '' } = acme.jwk
  return Buffer.concat([Buffer.of(4), base64url.decode(x), base64url.decode(y)])
}

const hmac =
  (form: Parameters<typeof publicKeyBytes>[1]) =>
  (world: World): Promise<string> =>
    world.acme.mintRaw(
      { typ: 'at+jwt', alg: 'HS256', kid: KID },
      world.acme.claims(),
      publicKeyBytes(world, form),
    )

/** Algorithms that are none, or not the issuer's. */
export const ALGORITHMS: readonly TokenAttack[] = [
  ...['none', 'None', 'nOnE', 'NONE', ''].flatMap((alg): TokenAttack[] => [
    [
      `alg "${alg}" without a signature`,
      'algorithm_forbidden',
      (world) => world.acme.unsigned({ typ: 'at+jwt', alg, kid: KID }, world.acme.claims()),
    ],
    [
      `alg "${alg}" with a signature`,
      'algorithm_forbidden',
      (world) => world.acme.unsigned({ typ: 'at+jwt', alg }, world.acme.claims(), 'AAAA'),
    ],
  ]),
  ['HS256 with the PEM of the public key', 'algorithm_forbidden', hmac('pem')],
  ['HS256 with the DER of the public key', 'algorithm_forbidden', hmac('der')],
  ['HS256 with the JWK of the public key', 'algorithm_forbidden', hmac('jwk')],
  ['HS256 with the raw point of the public key', 'algorithm_forbidden', hmac('point')],
  ...[undefined, 5, ['ES256'], ' ES256', 'es256', 'ES256K', 'RSA-OAEP', '__proto__'].map(
    (alg): TokenAttack => [
      `alg ${JSON.stringify(alg)}`,
      'algorithm_forbidden',
      (world) => signed(world, { alg }),
    ],
  ),
  [
    'another algorithm than the issuer has',
    'algorithm_not_accepted',
    (world) => signed(world, { alg: 'RS256' }),
  ],
  [
    'an algorithm that the key does not fit',
    'algorithm_not_accepted',
    (world) => signed(world, { alg: 'EdDSA' }),
  ],
]

/** Keys that are not the issuer's, and signatures that are nobody's. */
export const KEYS: readonly TokenAttack[] = [
  ['an unknown kid', 'key_unknown', (world) => signed(world, { kid: 'nobody' })],
  ...['../jwks', '__proto__', 'constructor', "' OR 1=1 --"].map(
    (kid): TokenAttack => [
      `kid ${kid}`,
      kid.includes(' ') ? 'token_malformed' : 'key_unknown',
      (world) => signed(world, { kid }),
    ],
  ),
  ...['', 7, null, ['signing-key'], 'x'.repeat(300), 'a\nb'].map(
    (kid): TokenAttack => [
      `kid ${JSON.stringify(kid).slice(0, 20)}`,
      'token_malformed',
      (world) => signed(world, { kid }),
    ],
  ),
  [
    'a foreign key under a known kid',
    'signature_invalid',
    async ({ acme }) => acme.mint({}, {}, { key: await createKey('ES256', KID) }),
  ],
  ['the key of another issuer', 'signature_invalid', ({ acme, beta }) => beta.mint(acme.claims())],
  ...['jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64'].map(
    (name): TokenAttack => [
      `header ${name}`,
      'header_forbidden',
      async (world) => {
        const key = await createKey('ES256', KID)
        const url = `${world.origin.url}/keys`
        const values: Members = {
          jwk: key.jwk,
          jku: url,
          x5u: url,
          x5c: ['MIIB'],
          crit: ['exp'],
          b64: false,
        }
        const head = { typ: 'at+jwt', alg: 'ES256', kid: KID, [name]: values[name] }
        return signRaw(head, world.acme.claims(), key)
      },
    ],
  ),
  ...['crit', 'b64', 'jwk', 'x5c'].map(
    (name): TokenAttack => [
      `header ${name}: null`,
      'header_forbidden',
      (world) => signed(world, { [name]: null }),
    ],
  ),
  ['a signature of zeros', 'signature_invalid', (world) => tampered(world, () => 'A'.repeat(86))],
  ['an empty signature', 'signature_invalid', (world) => tampered(world, () => '')],
  ['a short signature', 'signature_invalid', (world) => tampered(world, (s) => s.slice(0, 64))],
  [
    'the signature of another token',
    'signature_invalid',
    async (world) => {
      const [, , other = ''] = await parts(world.token())
      return tampered(world, () => other)
    },
  ],
  [
    'a payload that was changed after it was signed',
    'signature_invalid',
    async (world) => {
      const [head = '', , signature = ''] = await parts(world.token())
      return `${head}.${base64url.encode(JSON.stringify(world.acme.claims()))}.${signature}`
    },
  ],
]
