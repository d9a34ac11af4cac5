import type { RequestAttack } from './addresses.ts'

/** A token at any place but one Authorization header. `TOKEN` stands for a good one. */
export const CREDENTIALS: readonly RequestAttack[] = [
  ...(
    [
      ['Basic', 'Basic YTpi'],
      ['Basic with the token', 'Basic TOKEN'],
      ['the token without a scheme', 'TOKEN'],
      ['another scheme', 'Token TOKEN'],
      ['a scheme that begins like Bearer', 'BearerX TOKEN'],
    ] as const
  ).map(([name, value]): RequestAttack => {
    return [name, 401, 'scheme_unsupported', { headers: [['Authorization', value]] }]
  }),
  ['DPoP', 401, 'token_not_bound', { headers: [['Authorization', 'DPoP TOKEN']] }],
  ...(
    [
      ['no credential', []],
      ['an empty Authorization', [['Authorization', '']]],
      ['a cookie', [['Cookie', 'access_token=TOKEN; token=TOKEN; Authorization=Bearer TOKEN']]],
      ['Proxy-Authorization', [['Proxy-Authorization', 'Bearer TOKEN']]],
      ['X-Authorization', [['X-Authorization', 'Bearer TOKEN']]],
      ['X-Api-Key', [['X-Api-Key', 'TOKEN']]],
      ['Authorization_', [['Authorization_', 'Bearer TOKEN']]],
    ] as const
  ).map(([name, headers]): RequestAttack => [name, 401, 'credential_missing', { headers }]),
  ...(
    [
      ['two Authorization headers', ['Bearer TOKEN', 'Bearer TOKEN']],
      ['a good and a bad Authorization header', ['Bearer TOKEN', 'Bearer x']],
      ['Bearer after Basic', ['Basic YTpi', 'Bearer TOKEN']],
      ['Basic after Bearer', ['Bearer TOKEN', 'Basic YTpi']],
      ['Bearer and DPoP', ['Bearer TOKEN', 'DPoP TOKEN']],
      ['two tokens with a comma', ['Bearer TOKEN, Bearer TOKEN']],
      ['two tokens with a comma and no scheme', ['Bearer TOKEN,TOKEN']],
      ['two tokens with a space', ['Bearer TOKEN TOKEN']],
      ['Bearer without a token', ['Bearer']],
      ['Bearer with spaces only', ['Bearer   ']],
      ['a tab after Bearer', ['Bearer\tTOKEN']],
      ['a quoted token', ['Bearer "TOKEN"']],
      ['a parameter', ['Bearer token=TOKEN']],
      ['a brace', ['Bearer {TOKEN}']],
      ['Latin-1 in the token', ['Bearer TOKEN\xe4']],
      ['padding inside', ['Bearer =TOKEN']],
    ] as const
  ).map(
    ([name, values]): RequestAttack => [
      name,
      400,
      'credential_malformed',
      { headers: values.map((value) => ['Authorization', value]) },
    ],
  ),
  ...['?access_token=TOKEN', '?x=1&access_token=', '?%61ccess_token=TOKEN', '?access_token'].map(
    (query): RequestAttack => [
      `query ${query}`,
      400,
      'credential_in_query',
      { target: `/v1/any${query}` },
    ],
  ),
  [
    'query and header at once',
    400,
    'credential_in_query',
    { target: '/v1/any?access_token=TOKEN', headers: [['Authorization', 'Bearer TOKEN']] },
  ],
  ...['?token=TOKEN', '?Authorization=Bearer%20TOKEN', '?bearer=TOKEN'].map(
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
  ...(
    [
      ['a bad token on an optional route', 401, 'token_malformed', 'Bearer x'],
      ['Basic on an optional route', 401, 'scheme_unsupported', 'Basic YTpi'],
      ['two tokens on an optional route', 400, 'credential_malformed', 'Bearer a, Bearer b'],
    ] as const
  ).map(
    ([name, status, code, value]): RequestAttack => [
      name,
      status,
      code,
      { target: '/optional', headers: [['Authorization', value]] },
    ],
  ),
]
