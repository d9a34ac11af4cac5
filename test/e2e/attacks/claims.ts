import { KID, RESOURCE } from '../world.ts'
import { now, rawPayload, type TokenAttack, withClaims } from './forging.ts'

/** Tokens that do not live now, or live too long, or do not say so in numbers. */
export const TIMES: readonly TokenAttack[] = [
  ['expired', 'token_expired', (w) => w.token({ iat: now() - 400, exp: now() - 60 })],
  ['expired just now', 'token_expired', (w) => w.token({ iat: now() - 60, exp: now() - 5 })],
  ['exp 0', 'token_expired', withClaims({ exp: 0 })],
  ['exp -1', 'token_expired', withClaims({ exp: -1 })],
  ['not valid yet', 'token_not_yet_valid', (w) => w.token({ nbf: now() + 60 })],
  ['issued in the future', 'token_issued_in_future', (w) => w.token({ iat: now() + 60 })],
  ['a life of a day', 'token_lifetime', (w) => w.token({ exp: now() + 86_400 })],
  ['exp in milliseconds', 'token_lifetime', (w) => w.token({ exp: Date.now() + 300_000 })],
  ['iat long ago', 'token_lifetime', (w) => w.token({ iat: 1, exp: now() + 60 })],
  ['iat -1e308', 'token_lifetime', (w) => w.token({ iat: -1e308, exp: now() + 60 })],
  ...['exp', 'iat'].map(
    (name): TokenAttack => [
      `no ${name}`,
      'time_malformed',
      async ({ acme }) => {
        const { [name]: _, ...claims } = acme.claims()
        return acme.mintRaw({ typ: 'at+jwt', alg: 'ES256', kid: KID }, claims)
      },
    ],
  ),
  ...['exp', 'iat', 'nbf'].flatMap((name): TokenAttack[] => [
    ...[`${now() + 60}`, null, true, [now() + 60], {}].map(
      (value): TokenAttack => [
        `${name} ${JSON.stringify(value).replace(/\d+/, 'N')}`,
        'time_malformed',
        (world) => world.token({ [name]: value }),
      ],
    ),
    ...['1e400', '-1e400'].map(
      (number): TokenAttack => [
        `${name} ${number}`,
        'time_malformed',
        (world) => {
          const { [name]: _, ...claims } = world.acme.claims()
          return rawPayload(world, JSON.stringify(claims).replace('{', `{"${name}":${number},`))
        },
      ],
    ),
  ]),
]

/** Claims that are missing, malformed or for somebody else. */
export const CLAIMS: readonly TokenAttack[] = [
  ['another issuer', 'issuer_unknown', withClaims({ iss: 'https://evil.example' })],
  [
    'an issuer with a slash more',
    'issuer_unknown',
    ({ acme }) => acme.mint({ iss: `${acme.issuer}/` }),
  ],
  [
    'the issuer in capitals',
    'issuer_unknown',
    ({ acme }) => acme.mint({ iss: acme.issuer.toUpperCase() }),
  ],
  ['an issuer named constructor', 'issuer_unknown', withClaims({ iss: '__proto__' })],
  ['a list of issuers', 'token_malformed', ({ acme }) => acme.mint({ iss: [acme.issuer] })],
  ['no issuer', 'token_malformed', withClaims({ iss: undefined })],
  ...[
    'https://other.example',
    `${RESOURCE}.evil.example`,
    `${RESOURCE}/v1`,
    `${RESOURCE}//`,
    RESOURCE.toUpperCase(),
    'https://api.example',
    ['https://other.example'],
    [RESOURCE, 7],
    [[RESOURCE]],
    [],
    { 0: RESOURCE },
    null,
    undefined,
  ].map(
    (aud): TokenAttack => [`aud ${JSON.stringify(aud)}`, 'audience_mismatch', withClaims({ aud })],
  ),
  ...['sub', 'client_id', 'jti'].flatMap((name): TokenAttack[] => [
    [`no ${name}`, 'claim_missing', withClaims({ [name]: undefined })],
    ...['', 5, null, ['a'], 'a\nb', 'a\r\nX-Agent-Id: root', 'a\u0000b', 'a\u0085b', '\ud800'].map(
      (value): TokenAttack => [
        `${name} ${JSON.stringify(value)}`,
        'claim_malformed',
        withClaims({ [name]: value }),
      ],
    ),
  ]),
  ...['agent_type', 'workflow_id'].flatMap((name) =>
    ['', 5, null, ['a'], 'a\r\nb', '\udfff'].map(
      (value): TokenAttack => [
        `${name} ${JSON.stringify(value)}`,
        'agent_id_malformed',
        withClaims({ [name]: value }),
      ],
    ),
  ),
  ['no agent id', 'agent_id_missing', ({ ops }) => ops.mint({ agent: {} })],
  ['an inherited agent id', 'agent_id_missing', ({ ops }) => ops.mint({ agent: undefined })],
  [
    'an agent id that is a number',
    'agent_id_malformed',
    ({ ops }) => ops.mint({ agent: { id: 7 } }),
  ],
  ...[
    ['a b'],
    ['a', 'b c'],
    ['a', ''],
    ['a', 5],
    [['a']],
    'a  b',
    ' a',
    'a ',
    'a\tb',
    'a"b',
    'a\\b',
    'ä',
    'a\u0000',
    '\ud800',
    7,
    null,
    {},
  ].map(
    (scope): TokenAttack => [
      `scope ${JSON.stringify(scope)}`,
      'claim_malformed',
      withClaims({ scope }),
    ],
  ),
  ...['nonce', 'at_hash', 'c_hash'].map(
    (name): TokenAttack => [`an ID token with ${name}`, 'id_token', withClaims({ [name]: 'x' })],
  ),
  ...[{ jkt: 'x' }, { jwk: {} }].map(
    (cnf): TokenAttack => [`cnf ${JSON.stringify(cnf)}`, 'token_bound', withClaims({ cnf })],
  ),
  ...[{ jkt: 'x', jwk: {} }, { 'x5t#S256': 'x', jkt: 'x' }, {}, null, 'x'].map(
    (cnf): TokenAttack => [
      `cnf ${JSON.stringify(cnf)}`,
      'confirmation_unsupported',
      withClaims({ cnf }),
    ],
  ),
]

const chainOf = (depth: number, innermost: unknown): unknown =>
  depth === 0 ? innermost : { sub: `actor-${depth}`, act: chainOf(depth - 1, innermost) }

/** Chains of actors that are malformed or strange, at each depth. */
export const DELEGATION: readonly TokenAttack[] = [0, 1, 2].flatMap((depth): TokenAttack[] => [
  ...[
    null,
    'planner',
    7,
    [],
    [{ sub: 'planner' }],
    {},
    { sub: '' },
    { sub: 7 },
    { sub: 'a\r\nb' },
    { sub: '\ud800' },
    { sub: 'a', iss: '' },
    { sub: 'a', iss: null },
  ].map(
    (bad): TokenAttack => [
      `act ${JSON.stringify(bad)} at depth ${depth + 1}`,
      'delegation_malformed',
      withClaims({ act: chainOf(depth, bad) }),
    ],
  ),
  [
    `an actor of a strange issuer at depth ${depth + 1}`,
    'actor_issuer_unknown',
    withClaims({ act: chainOf(depth, { sub: 'a', iss: 'https://evil.example' }) }),
  ],
])
