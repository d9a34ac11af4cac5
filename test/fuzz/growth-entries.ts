import { RESOURCE } from '../kit/facts.ts'
import type * as World from './growth-world.ts'
import type { Sent } from './growth-world.ts'

export type Worlds = typeof World

/** A place where the gate reads bytes of a stranger: the tokens of its grammar, and a request with a text in this place. */
export interface Entry {
  readonly name: string
  readonly tokens: readonly string[]
  /** What may stand before and behind the repetition. `…` is as many characters as are repeated. */
  readonly around?: readonly (readonly [before: string, behind: string])[]
  /** Whether it can be as long as a body; others are as long as a head. */
  readonly isLong?: boolean
  send(text: string, world: Worlds): Sent
}

const JSON_BODY = { 'content-type': 'application/json' }
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const REVOKING =
  '{"revocations":[{"kind":"agent","issuer":"https://auth.example.com","value":"x"}]}'

/** Requests that pass, or nearly: between them they reach every reader of a header. */
export const BASES: Readonly<Record<string, (world: Worlds) => Sent>> = {
  'a rule': ({ tokenWith }) => ({ headers: bearer(tokenWith()) }),
  'a condition': ({ tokenWith }) => ({
    url: `${RESOURCE}/when/7?q=1&run=2`,
    headers: { ...bearer(tokenWith()), 'x-a': '1' },
  }),
  'a body with a digest': ({ tokenWith }) => ({
    url: `${RESOURCE}/teams/red/x`,
    method: 'POST',
    headers: { ...bearer(tokenWith()), 'content-digest': 'sha-256=:AAAA:' },
    body: 'x',
  }),
  'a proof': ({ boundToken, proofWith }) => ({
    headers: { authorization: `DPoP ${boundToken}`, dpop: proofWith() },
  }),
  'a preflight': () => ({
    url: `${RESOURCE}/open`,
    method: 'OPTIONS',
    headers: { origin: 'https://app.example.com', 'access-control-request-method': 'GET' },
  }),
  'a WebSocket': ({ tokenWith }) => ({
    url: `${RESOURCE}/socket`,
    headers: { upgrade: 'websocket', 'sec-websocket-protocol': `agent-token.${tokenWith()}, a` },
  }),
  'a call that a person must approve': ({ tokenWith }) => ({
    url: `${RESOURCE}/asked`,
    method: 'POST',
    headers: { ...bearer(tokenWith()), ...JSON_BODY, 'x-a': '1' },
    body: '{}',
  }),
  'an MCP call': (world) => mcp('tools/call', '{"name":"echo"}', world),
  'an MCP call of today': (world) => {
    const sent = mcp(
      'tools/call',
      '{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},"name":"echo"}',
      world,
    )
    const mirrored = {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'echo',
    }
    return { ...sent, headers: { ...sent.headers, ...mirrored } }
  },
  'a token in another header': ({ tokenWith }) => ({
    url: `${RESOURCE}/keyed`,
    headers: { 'x-api-key': tokenWith() },
  }),
  'the end of a session': ({ tokenWith }) => ({
    url: `${RESOURCE}/mcp`,
    method: 'DELETE',
    headers: { ...bearer(tokenWith()), 'mcp-session-id': 'e30.e30.AA' },
  }),
  'a revocation': (world) => endpoint('revocations', REVOKING, world),
  'a token that is given back': (world) => givingBack(`token=${world.tokenWith()}`, world),
  'a security event': ({ OF_IDP, eventWith }) => sendingEvent(eventWith(), OF_IDP),
  'an explanation': (world) =>
    endpoint('explain', `{"method":"GET","url":"${RESOURCE}/docs/7"}`, world),
  'the policy': ({ operatorToken }) => ({
    url: `${RESOURCE}/.edgewarden/policy`,
    headers: bearer(operatorToken),
  }),
  'the metadata': () => ({ url: `${RESOURCE}/.well-known/oauth-protected-resource` }),
  'a sign-in': ({ CONSOLE }) => signIn('{"code":"e30.e30.AA"}', CONSOLE),
  'a session of the console': ({ CONSOLE }) => ({
    url: `${CONSOLE}/api/policy`,
    headers: { 'sec-fetch-site': 'same-origin', cookie: '__Host-edgewarden-console=e30.e30.AA' },
  }),
}

const mcp = (method: string, params: string, { tokenWith }: Worlds): Sent =>
  mcpBody(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`, tokenWith())
const mcpBody = (body: string, token: string): Sent => ({
  url: `${RESOURCE}/mcp`,
  method: 'POST',
  headers: { ...bearer(token), ...JSON_BODY, accept: 'application/json, text/event-stream' },
  body,
})
const endpoint = (name: string, body: string, { operatorToken }: Worlds): Sent => ({
  url: `${RESOURCE}/.edgewarden/${name}`,
  method: 'POST',
  headers: { ...bearer(operatorToken), ...JSON_BODY },
  body,
})
const givingBack = (body: string, world: Worlds): Sent => {
  const sent = endpoint('revoke', body, world)
  const type = { 'content-type': 'application/x-www-form-urlencoded' }
  return { ...sent, headers: { ...sent.headers, ...type } }
}
const sendingEvent = (body: string, authorization: string): Sent => ({
  url: `${RESOURCE}/.edgewarden/events`,
  method: 'POST',
  headers: { authorization, 'content-type': 'application/secevent+jwt' },
  body,
})
const signIn = (body: string, url: string): Sent => ({
  url: `${url}/session`,
  method: 'POST',
  headers: {
    ...JSON_BODY,
    'sec-fetch-site': 'same-origin',
    origin: url,
    'x-edgewarden-console': '1',
  },
  body,
})
const withToken = (token: string, rest: Sent = {}): Sent => ({ headers: bearer(token), ...rest })

const PATH = [
  ...['/', '.', '%2e', '%2F', '%25', '%', '%C3%A9', '%EF%BC%A1', '+', '%3b', '%3a', ':', '%28a%28'],
  ...['%29', 'a'],
]
const QUERY = [
  ...['&', '=', ';', '?', '[', ']', '%5d', '%', '%41', '%C3%A9', '+', '.', '-', 'a', 'q'],
  ...['_method=GET', 'access_token'],
]
const HEADER = [',', ';', '=', '"', '\\', ' ', ':', '%', 'a', '1', '.', '/', '-']
const JSON_TEXT = [
  '{',
  '}',
  '[',
  ']',
  '"',
  '\\',
  '\\u0041',
  ':',
  ',',
  '1',
  'e',
  '.',
  '"a"',
  ' ',
  '"a":',
]
const STRING = [
  ...['a', 'A', '.', '/', ' ', '%', '%2e', '%C3', '\\u00e9', '\\ud83d', '\\u0301', ':', '-', '*'],
  ...['{', '~', '#', '?'],
]
/** Of a short text. */
const TEXT = ['a', '/', ' ', '%', '\\u00e9', '\\ud83d', '\\u0301', ':', '-', '*']
const EVENTS = [
  '\n',
  '\r',
  'data:',
  'data: {}',
  'id:',
  ':',
  ' ',
  '{',
  '"',
  '[',
  'a',
  '\ufeff',
  '"tools":',
]

/** Within a string of JSON, and behind a long one. */
const OPEN: Entry['around'] = [
  ['', ''],
  ['["\\u0041x', '"'],
  ['["\\u0041…"', ''],
]
/** JSON is scanned before it is parsed where it is longer than a token. */
const LONG_OPEN: Entry['around'] = [...OPEN, [`${' '.repeat(16 * 1024)}["\\u0041…"`, '']]

/** Alone, and behind a segment that servers read in every way that the gate knows. */
const READ_OTHERWISE: Entry['around'] = [
  ['', ''],
  ['%28a%28b%29%29%EF%BC%A1b.c%3bd%3a%3ae%3ff.%20/', '.x'],
]

/** The entries that have a grammar of their own. A new reader of strangers' bytes joins them. */
export const ENTRIES: readonly Entry[] = [
  {
    name: 'the path',
    tokens: PATH,
    send: (text) => ({ url: `${RESOURCE}/docs/${text}` }),
  },
  {
    name: 'the path of a dialect',
    tokens: ['/tasks/', '/threads/', '/runs', '/responses/', ':', 'a', 'Content', '/v1/messages'],
    send: (text) => ({ url: `${RESOURCE}/docs${text}` }),
  },
  {
    name: "the path of the gate's endpoints",
    tokens: PATH,
    around: READ_OTHERWISE,
    send: (text) => ({ url: `${RESOURCE}/.edgewarden/${text}` }),
  },
  {
    name: 'the path of a rule with a wildcard',
    tokens: PATH,
    around: READ_OTHERWISE,
    send: (text, { tokenWith }) => withToken(tokenWith(), { url: `${RESOURCE}/teams/red/${text}` }),
  },
  {
    name: 'the request in an explanation',
    // Without `%2e`: a path is looked up once where it is short after decoding, since it is remembered, and else twice.
    tokens: [...PATH.filter((token) => token !== '%2e'), '?', '&', '='],
    around: [
      [`${RESOURCE}/docs/e`, ''],
      [`${RESOURCE}/when/7?q`, ''],
    ],
    send: (text, world) => endpoint('explain', `{"method":"GET","url":"${text}"}`, world),
  },
  {
    name: 'the path of the console',
    tokens: PATH,
    send: (text, { CONSOLE }) => ({
      url: `${CONSOLE}/api/c${text}`,
      headers: { 'sec-fetch-site': 'same-origin' },
    }),
  },
  {
    name: 'the query',
    tokens: QUERY,
    send: (text) => ({ url: `${RESOURCE}/docs/7?${text}` }),
  },
  {
    name: 'the query of a rule that reads it',
    tokens: QUERY,
    around: [
      ['', ''],
      ['q', '1'],
      ['q=1&run=2&', ''],
    ],
    send: (text, { tokenWith }) => withToken(tokenWith(), { url: `${RESOURCE}/when/7?${text}` }),
  },
  {
    name: 'the query of a rule that reads much of it',
    tokens: QUERY,
    around: [['n1', '']],
    send: (text, { tokenWith }) => withToken(tokenWith(), { url: `${RESOURCE}/many?${text}` }),
  },
  {
    name: 'the query of an endpoint',
    tokens: QUERY,
    send: (text, { operatorToken }) =>
      withToken(operatorToken, { url: `${RESOURCE}/.edgewarden/revocations?${text}` }),
  },
  {
    name: 'the host',
    tokens: ['.', '-', 'a', ':', '1', '[', ']', '_'],
    send: (text) => ({ headers: { host: `a${text}` } }),
  },
  {
    name: 'the Authorization header',
    tokens: [...HEADER, 'Bearer ', 'e30'],
    around: [
      ['', ''],
      ['Bearer ', ''],
      ['Bearer e30.', ''],
      ['Basic a="', ''],
    ],
    send: (text) => ({ headers: { authorization: text } }),
  },
  {
    name: 'a message with a new token',
    tokens: [...HEADER, 'é', 'e30'],
    around: [
      ['', ''],
      ['edgewarden.renew.v1 ', ''],
      ['edgewarden.renew.v1 e30.e30.AA ', ''],
    ],
    send: (text) => ({ url: `${RESOURCE}/socket`, message: text }),
  },
  {
    name: 'the header of a token',
    tokens: JSON_TEXT,
    around: [...OPEN, ['"x":', '']],
    send: (text, { tokenWith }) => withToken(tokenWith('', text)),
  },
  {
    name: 'the claims of a token',
    tokens: JSON_TEXT,
    around: [...OPEN, ['"x":', '']],
    send: (text, { tokenWith }) => withToken(tokenWith(text)),
  },
  ...['sub', 'scope', 'aud', 'jti', 'client_id', 'tenant', 'workflow_id', 'kid'].map(
    (claim): Entry => ({
      name: `the claim ${claim}`,
      tokens: TEXT,
      send: (text, { tokenWith }) =>
        withToken(
          claim === 'kid' ? tokenWith('', `"kid":"${text}"`) : tokenWith(`"${claim}":"${text}"`),
        ),
    }),
  ),
  {
    name: 'a long list in a token',
    tokens: ['"a",', '"b:c",', '{"type":"tool"},', '{"sub":"a"},', '[],', '1,'],
    around: [
      ['"aud":[', `"${RESOURCE}"]`],
      ['"scope":[', '"a"]'],
      ['"authorization_details":[', '{"type":"tool"}]'],
    ],
    send: (text, { tokenWith }) => withToken(tokenWith(text), { url: `${RESOURCE}/tools/7` }),
  },
  {
    name: 'the actors of a token',
    tokens: ['{"sub":"a","act":', '{"iss":"b","act":'],
    around: [['"act":', '1']],
    send: (text, { tokenWith }) => withToken(tokenWith(text)),
  },
  {
    name: 'the claim that a condition reads',
    tokens: STRING,
    send: (text, { tokenWith }) =>
      withToken(tokenWith(`"sub":"${text}"`), { url: `${RESOURCE}/when/7?q=1&run=2` }),
  },
  {
    name: 'the proof',
    tokens: [...HEADER, 'e30'],
    around: [
      ['', ''],
      ['e30.', '.AA'],
    ],
    send: (text, { boundToken }) => ({
      headers: { authorization: `DPoP ${boundToken}`, dpop: text },
    }),
  },
  ...(['header', 'claims'] as const).map(
    (part): Entry => ({
      name: `the ${part} of a proof`,
      tokens: JSON_TEXT,
      around: [...OPEN, ['"x":', '']],
      send: (text, { boundToken, proofWith }) => ({
        headers: {
          authorization: `DPoP ${boundToken}`,
          dpop: part === 'header' ? proofWith('', text) : proofWith(text),
        },
      }),
    }),
  ),
  {
    name: 'the URL in a proof',
    tokens: PATH,
    around: [
      ['', ''],
      [`${RESOURCE}/docs/7`, ''],
    ],
    send: (text, { boundToken, proofWith }) => ({
      headers: { authorization: `DPoP ${boundToken}`, dpop: proofWith(`"htu":"${text}"`) },
    }),
  },
  {
    name: 'the client certificate',
    tokens: ['0', 'f', ':', ' ', 'g', '='],
    send: (text, { certifiedToken }) =>
      withToken(certifiedToken, {
        cf: {
          tlsClientAuth: { certVerified: 'SUCCESS', certRevoked: '0', certFingerprintSHA256: text },
        },
      }),
  },
  {
    name: 'the body of a request to an MCP server',
    tokens: JSON_TEXT,
    isLong: true,
    around: [...LONG_OPEN, ['{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":', '}}']],
    send: (text, { tokenWith }) => mcpBody(text, tokenWith()),
  },
  {
    name: 'the arguments of a call',
    tokens: ['"a",', '{"a":1},', '[1],', '1.5,', '"\\u0041",', '"é",'],
    isLong: true,
    around: [['{"name":"files_x","arguments":{"path":"a","x":[', '1]}}']],
    send: (text, world) => mcp('tools/call', text, world),
  },
  {
    name: 'a body that a person must approve',
    tokens: JSON_TEXT,
    isLong: true,
    around: [...LONG_OPEN, ['{"x":', '}']],
    send: (text, { tokenWith }) => ({
      url: `${RESOURCE}/asked`,
      method: 'POST',
      headers: { ...bearer(tokenWith()), ...JSON_BODY },
      body: text,
    }),
  },
  {
    name: 'the arguments of a call that a person must approve',
    tokens: ['"a",', '{"a":1},', '[1],', ' ', '"\\u0041",', '"\\ud83d\\ude00",', '"é",'],
    isLong: true,
    around: [['{"name":"ask","arguments":{"path":[', '1]}}']],
    send: (text, world) => mcp('tools/call', text, world),
  },
  {
    name: 'a batch of an MCP client',
    tokens: [
      '{"jsonrpc":"2.0","method":"notifications/x"},',
      '{"jsonrpc":"2.0","id":1,"method":"ping"},',
      '1,',
    ],
    isLong: true,
    around: [['[', '{"jsonrpc":"2.0","method":"notifications/x"}]']],
    send: (text, { tokenWith }) => mcpBody(text, tokenWith()),
  },
  ...(
    [
      ['tools/call', 'name', ''],
      ['prompts/get', 'name', ''],
      ['resources/read', 'uri', 'docs://'],
      ['resources/read', 'uri', 'file:///srv/'],
    ] as const
  ).map(
    ([method, member, before]): Entry => ({
      name: `the name in ${method} of ${before || 'text'}`,
      tokens: STRING,
      around: [
        [before, ''],
        [`${before}a`, '/'],
      ],
      send: (text, world) => mcp(method, `{"${member}":"${text}"}`, world),
    }),
  ),
  {
    name: 'the URIs that a client subscribes to',
    tokens: [
      '"docs://a/%ff",',
      '"docs://%C3%A9.a/",',
      '"file:///srv/a:b",',
      `"docs://${'a'.repeat(60)}",`,
    ],
    around: [['{"notifications":{"resourceSubscriptions":[', '"docs://a"]}}']],
    send: (text, world) => mcp('subscriptions/listen', text, world),
  },
  ...['revocations', 'explain'].map(
    (name): Entry => ({
      name: `the body of ${name}`,
      tokens: JSON_TEXT,
      isLong: true,
      around: LONG_OPEN,
      send: (text, world) => endpoint(name, text, world),
    }),
  ),
  {
    name: 'a security event',
    tokens: ['a', 'e30.', '.', 'A', '=', ' ', '\n'],
    around: [
      ['', ''],
      ['e30.', '.AA'],
    ],
    isLong: true,
    send: (text, { OF_IDP }) => sendingEvent(text, OF_IDP),
  },
  {
    name: 'the claims of a security event',
    tokens: ['"a":1,', '"a":{', '[', '"', '\\u0061', 'é', ' '],
    around: [
      ['"events":{', '}'],
      ['"events":{"', '":{}}'],
      ['"sub_id":{"format":"iss_sub","iss":"', '","sub":"x"}'],
      ['"aud":[', '""]'],
      ['"jti":"', '"'],
    ],
    isLong: true,
    send: (text, { OF_IDP, eventWith }) => sendingEvent(eventWith(text), OF_IDP),
  },
  {
    name: 'the form with a token that is given back',
    tokens: ['&', '=', '%', '%41', '%C3%A9', '+', '?', 'a', 'token=', 'a=1&', '.', 'e30.'],
    isLong: true,
    around: [
      ['', ''],
      ['token=', ''],
      ['token=e30.', '&x=1'],
    ],
    send: givingBack,
  },
  ...(['header', 'claims'] as const).map(
    (part): Entry => ({
      name: `the ${part} of a token that is given back`,
      tokens: JSON_TEXT,
      around: [...OPEN, ['"x":', '']],
      send(text, world) {
        const token = part === 'header' ? world.tokenWith('', text) : world.tokenWith(text)
        return givingBack(`token=${token}`, world)
      },
    }),
  ),
  {
    name: 'the body of a sign-in',
    tokens: JSON_TEXT,
    isLong: true,
    around: LONG_OPEN,
    send: (text, { CONSOLE }) => signIn(text, CONSOLE),
  },
  {
    name: 'the code of a sign-in',
    tokens: ['a', '.', '-', '=', 'e30', '%', ' '],
    send: (text, { CONSOLE }) => signIn(`{"code":"${text}"}`, CONSOLE),
  },
  {
    name: 'the cookie of the console',
    tokens: [...HEADER, '__Host-edgewarden-console='],
    around: [
      ['', ''],
      ['__Host-edgewarden-console=', ''],
    ],
    send: (text, { CONSOLE }) => ({
      url: `${CONSOLE}/api/policy`,
      headers: { 'sec-fetch-site': 'same-origin', cookie: text },
    }),
  },
  {
    name: 'the subprotocols of a WebSocket',
    tokens: [...HEADER, 'agent-token.', 'edgewarden.renew.v1'],
    send: (text, { tokenWith }) => ({
      url: `${RESOURCE}/socket`,
      headers: {
        ...bearer(tokenWith()),
        upgrade: 'websocket',
        'sec-websocket-protocol': `a${text}`,
      },
    }),
  },
  {
    name: 'the digest of a body',
    tokens: [...HEADER, 'sha-256=:AAAA:', '; a', '?1'],
    around: [
      ['', ''],
      ['sha-256=:AAAA:', ''],
    ],
    send: (text, { tokenWith }) => ({
      url: `${RESOURCE}/teams/red/x`,
      method: 'POST',
      headers: { ...bearer(tokenWith()), 'content-digest': text },
      body: 'x',
    }),
  },
  {
    name: 'the names of headers',
    tokens: ['-', '_', '.', 'a', '~', '1'],
    send: (text, { tokenWith }) => ({
      url: `${RESOURCE}/when/7?q=1&run=2`,
      headers: { ...bearer(tokenWith()), ...Object.fromEntries([...headerLines(text)]) },
    }),
  },
  ...['text/event-stream', 'application/json'].flatMap((type) =>
    (['tools/call', 'tools/list'] as const).map(
      (method): Entry => ({
        name: `an answer of ${type} to ${method}`,
        tokens: type.startsWith('text') ? EVENTS : JSON_TEXT,
        isLong: true,
        around: type.startsWith('text')
          ? [
              ['', ''],
              ['data: ', '\n\n'],
              ['data: ["\\u0041', '"\n\n'],
            ]
          : [...OPEN, ['{"jsonrpc":"2.0","id":1,"result":{"tools":[', ']}}']],
        send: (text, world) => ({
          ...mcp(method, '{"name":"echo"}', world),
          answer: { headers: { 'content-type': type }, body: text },
        }),
      }),
    ),
  ),
  {
    name: 'a stream to a client of A2A',
    tokens: EVENTS,
    isLong: true,
    around: [
      ['', ''],
      ['data: {"jsonrpc":"2.0","id":"', '"}'],
    ],
    send: (text, { tokenWith }) => ({
      url: `${RESOURCE}/teams/red/x`,
      method: 'POST',
      headers: { ...bearer(tokenWith()), 'a2a-version': '1.0' },
      body: 'x',
      answer: { headers: { 'content-type': 'text/event-stream' }, body: text },
    }),
  },
  {
    name: 'an answer in which a secret is masked',
    tokens: ['a', '/', '+', '%2f', '\\u002f', 'a/secret', '&#', '=', '\n', 'YS9zZWNyZXQ'],
    isLong: true,
    send: (text, { tokenWith }) => withToken(tokenWith(), { answer: { body: text } }),
  },
  ...['cache-control', 'location', 'vary', 'content-type', 'connection', 'set-cookie'].map(
    (header): Entry => ({
      name: `the header ${header} of an answer`,
      tokens: [',', '"', ' ', ';', '=', '/', '.', 'no-store', 'charset', '*'],
      send: (text, { tokenWith }) =>
        withToken(tokenWith(), { answer: { headers: { [header]: `a${text}` } } }),
    }),
  ),
]

/** A header line for each sixteen characters. */
const headerLines = function* (text: string) {
  for (let at = 0; at < text.length; at += 16)
    yield [`x-${at}-${text.slice(at, at + 16)}`, 'a'] as const
}

/** An entry for a header that a request of this kind reads, whoever reads it. */
export const headerEntry = (name: string, base: string): Entry => ({
  name: `the header ${name} of ${base}`,
  tokens: HEADER,
  send(text, world) {
    const sent = BASES[base]?.(world) ?? {}
    return {
      ...sent,
      headers: { ...sent.headers, [name]: `${sent.headers?.[name] ?? 'a'}${text}` },
    }
  },
})
