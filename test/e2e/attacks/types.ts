import { signed, type TokenAttack } from './forging.ts'

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

/** JWTs that are for something else. */
export const TYPES: readonly TokenAttack[] = [
  ...FOREIGN_TYPES.flatMap((typ) =>
    [typ, typ.toUpperCase(), `application/${typ}`].map(
      (spelling): TokenAttack => [
        `typ ${spelling}`,
        'type_forbidden',
        (world) => signed(world, { typ: spelling }),
      ],
    ),
  ),
  ...['JWT', 'id+jwt', 'jwt', 'application/jwt', ' at+jwt', 'at+jwt;v=1', undefined].map(
    (typ): TokenAttack => [`typ ${typ}`, 'type_not_accepted', (world) => signed(world, { typ })],
  ),
  ...['', 5, null, ['at+jwt']].map(
    (typ): TokenAttack => [
      `typ ${JSON.stringify(typ)}`,
      'token_malformed',
      (world) => signed(world, { typ }),
    ],
  ),
]
