import type { RequestAttack } from './addresses.ts'

/** One Authorization header each. */
const sent = (
  status: number,
  code: string,
  all: readonly (readonly [name: string, ...values: readonly string[]])[],
) =>
  all.map(
    ([name, ...values]): RequestAttack => [
      name,
      status,
      code,
      { headers: values.map((value) => ['Authorization', value]) },
    ],
  )

/** A token at any place but one Authorization header. `TOKEN` stands for a good one. */
export const CREDENTIALS: readonly RequestAttack[] = [
  ...sent(401, 'scheme_unsupported', [
    ['Basic with the token', 'Basic TOKEN'],
    ['the token without a scheme', 'TOKEN'],
    ['a scheme that begins like Bearer', 'BearerX TOKEN'],
  ]),
  ...sent(401, 'token_not_bound', [['DPoP', 'DPoP TOKEN']]),
  ...sent(400, 'credential_malformed', [
    ['two Authorization headers', 'Bearer TOKEN', 'Bearer TOKEN'],
    ['a good and a bad Authorization header', 'Bearer TOKEN', 'Bearer x'],
    ['Bearer after Basic', 'Basic YTpi', 'Bearer TOKEN'],
    ['Bearer and DPoP', 'Bearer TOKEN', 'DPoP TOKEN'],
    ['two tokens with a comma', 'Bearer TOKEN, Bearer TOKEN'],
    ['two tokens with a space', 'Bearer TOKEN TOKEN'],
    ['Bearer without a token', 'Bearer'],
    ['a tab after Bearer', 'Bearer\tTOKEN'],
    ['a quoted token', 'Bearer "TOKEN"'],
    ['a parameter', 'Bearer token=TOKEN'],
    ['Latin-1 in the token', 'Bearer TOKEN\xe4'],
  ]),
  ...(
    [
      ['an empty Authorization', 'Authorization', ''],
      ['a cookie', 'Cookie', 'access_token=TOKEN; Authorization=Bearer TOKEN'],
      ['Proxy-Authorization', 'Proxy-Authorization', 'Bearer TOKEN'],
      ['X-Api-Key', 'X-Api-Key', 'TOKEN'],
      ['Authorization_', 'Authorization_', 'Bearer TOKEN'],
    ] as const
  ).map(
    ([name, header, value]): RequestAttack => [
      name,
      401,
      'credential_missing',
      { headers: [[header, value]] },
    ],
  ),
  ...['?access_token=TOKEN', '?x=1&access_token=', '?%61ccess_token=TOKEN', '?access_token'].map(
    (query): RequestAttack => [
      `query ${query}`,
      400,
      'credential_in_query',
      { target: `/v1/any${query}`, headers: [['Authorization', 'Bearer TOKEN']] },
    ],
  ),
  ...['?token=TOKEN', '?Authorization=Bearer%20TOKEN'].map(
    (query): RequestAttack => [
      `query ${query}`,
      401,
      'credential_missing',
      { target: `/v1/any${query}` },
    ],
  ),
  [
    'a form body',
    401,
    'credential_missing',
    {
      method: 'POST',
      body: 'access_token=TOKEN',
      headers: [['Content-Type', 'application/x-www-form-urlencoded']],
    },
  ],
  ...sent(401, 'token_malformed', [['a bad token on an optional route', 'Bearer x']]).map(
    ([name, status, code, ask]): RequestAttack => [
      name,
      status,
      code,
      { ...ask, target: '/optional' },
    ],
  ),
]
