import { createPublicKey } from 'node:crypto'
import { base64url } from 'jose'
import { createKey, type Members } from '../../kit/signing.ts'
import { KID, type World } from '../world.ts'

/** A token that must not pass on a route that takes any good one, and the code it is denied with. */
export type TokenAttack = readonly [
  name: string,
  code: string,
  token: (world: World) => string | Promise<string>,
]

/** Types of JWTs that are never access tokens. */
export const FOREIGN_TYPES = [
  'dpop+jwt',
  'dpop-nonce+jwt',
  'oauth-id-jag+jwt',
  'oauth-client-attestation+jwt',
  'oauth-client-attestation-pop+jwt',
  'client-authentication+jwt',
  'oauth-authz-req+jwt',
  'secevent+jwt',
  'logout+jwt',
  'statuslist+jwt',
  'token-introspection+jwt',
  'txntoken+jwt',
  'wit+jwt',
  'wpt+jwt',
  'aa-agent+jwt',
  'aa-person+jwt',
  'aa-resource+jwt',
  'aa-auth+jwt',
  'entity-statement+jwt',
  'jwk-set+jwt',
  'agent-assertion+jwt',
  'mcp-session+jwt',
] as const

/** A token of `acme` whose parts are exactly these. */
const signed = ({ acme }: World, header: Members) =>
  acme.mintRaw({ typ: 'at+jwt', alg: 'ES256', kid: KID, ...header }, acme.claims())

/** The parts of a good token, some of them changed. */
const changed = async (
  world: World,
  change: (parts: readonly string[]) => readonly (string | undefined)[],
) => change((await world.token()).split('.')).join('.')

/** Every form that a careless verifier could take for a secret. */
const publicKeys = ({ acme }: World): Readonly<Record<string, Buffer>> => {
  const key = createPublicKey({ key: { ...acme.jwk }, format: 'jwk' })
  const { x = '', y = '' } = acme.jwk
  return {
    PEM: Buffer.from(String(key.export({ type: 'spki', format: 'pem' }))),
    DER: key.export({ type: 'spki', format: 'der' }),
    JWK: Buffer.from(JSON.stringify(acme.jwk)),
    point: Buffer.concat([Buffer.of(4), base64url.decode(x), base64url.decode(y)]),
  }
}

/** A token with other claims in front, as text, so that a name may stand there twice. */
const withText = (text: string) => (world: World) =>
  world.acme.mintRaw(
    { typ: 'at+jwt', alg: 'ES256', kid: KID },
    JSON.stringify(world.acme.claims()).replace('{', `{${text},`),
  )

/** A good token's claims, one of them replaced. */
const withClaim = (name: string, value: unknown) => (world: World) => world.token({ [name]: value })

/** Forged and misread tokens; the second implementation tries what else a signed one may say. */
export const TOKENS: readonly TokenAttack[] = [
  ...FOREIGN_TYPES.map(
    (typ): TokenAttack => [
      `typ ${typ}`,
      'type_forbidden',
      (world) => signed(world, { typ: `application/${typ.toUpperCase()}` }),
    ],
  ),
  ...['none', 'nOnE', ''].map(
    (alg): TokenAttack => [
      `alg "${alg}"`,
      'algorithm_forbidden',
      ({ acme }) => acme.unsigned({ typ: 'at+jwt', alg, kid: KID }, acme.claims()),
    ],
  ),
  ...['PEM', 'DER', 'JWK', 'point'].map(
    (form): TokenAttack => [
      `HS256 with the ${form} of the public key`,
      'algorithm_forbidden',
      (world) =>
        world.acme.mintRaw(
          { typ: 'at+jwt', alg: 'HS256', kid: KID },
          world.acme.claims(),
          publicKeys(world)[form],
        ),
    ],
  ),
  ...['../jwks', '__proto__', 'constructor'].map(
    (kid): TokenAttack => [`kid ${kid}`, 'key_unknown', (world) => signed(world, { kid })],
  ),
  [
    'a foreign key under a known kid',
    'signature_invalid',
    async ({ acme }) => acme.mint({}, {}, { key: await createKey('ES256', KID) }),
  ],
  [
    'a key of its own in the header',
    'header_forbidden',
    async ({ acme }) => {
      const key = await createKey('ES256', KID)
      return acme.mint({}, { jwk: key.jwk }, { key })
    },
  ],
  ['crit: null', 'header_forbidden', (world) => signed(world, { crit: null })],
  [
    'a signature of zeros',
    'signature_invalid',
    (world) => changed(world, ([head, payload]) => [head, payload, 'A'.repeat(86)]),
  ],
  [
    'no signature',
    'signature_invalid',
    (world) => changed(world, ([head, payload]) => [head, payload, '']),
  ],
  [
    'a payload that was changed after it was signed',
    'signature_invalid',
    (world) => {
      const payload = base64url.encode(JSON.stringify(world.acme.claims()))
      return changed(world, ([head, , signature]) => [head, payload, signature])
    },
  ],
  ['padding', 'token_malformed', async (world) => `${await world.token()}==`],
  [
    'base64 with + and /',
    'token_malformed',
    (world) => changed(world, ([head, payload, end = '']) => [head, payload, `+/${end.slice(2)}`]),
  ],
  ['an escaped name twice', 'token_malformed', withText('"s\\u0075b":"x"')],
  ['a claim by __proto__', 'token_malformed', withText('"__proto__":{"scope":"admin:all"}')],
  ['deep JSON', 'token_malformed', withText(`"x":${'['.repeat(5_000)}${']'.repeat(5_000)}`)],
  ['100 KB', 'token_too_long', withClaim('fill', 'x'.repeat(75_000))],
  ['an end that no number holds', 'time_malformed', withText('"exp2":1,"nbf":1e400')],
  ['another issuer', 'issuer_unknown', withClaim('iss', 'https://evil.example')],
  ['a header in its id', 'claim_malformed', withClaim('sub', 'a\r\nX-Agent-Id: root')],
  ['half a character in its id', 'claim_malformed', withClaim('client_id', '\ud800')],
  ['an inherited agent id', 'agent_id_missing', ({ ops }) => ops.mint({ agent: undefined })],
  ['an actor that is a list', 'delegation_malformed', withClaim('act', [{ sub: 'planner' }])],
]
