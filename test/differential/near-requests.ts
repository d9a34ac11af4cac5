/** Requests just inside and just outside of what a rule and the gate ask for. */
import type { Json, JsonObject } from '../reference/types.ts'
import type { Dice } from './dice.ts'
import type { RequestSpec, Vars } from './shapes.ts'

/** What a request is for. */
export interface RequestAim {
  vars: Vars
  rule: JsonObject | undefined
  /** The present second. */
  now: number
}

type Way = () => unknown

const listOf = (value: Json | undefined): string[] =>
  (Array.isArray(value) ? value : []) as string[]

/** Moves a request to a border. */
export function moveRequest(dice: Dice, request: RequestSpec, aim: RequestAim): void {
  const groups = [places, paths, queries, read, proofs, senders, bodies, messages, messages]
  const ways = groups.map((group) => group(dice, request, aim)).filter((all) => all.length > 0)
  dice.pick(dice.pick(ways))()
}

function places(dice: Dice, request: RequestSpec, { vars, rule }: RequestAim): Way[] {
  const hosts = [...listOf(vars.GATE.hosts), 'api.example.com', 'files.example.com']
  const preflight = (method: string) => {
    request.method = 'OPTIONS'
    delete request.body
    request.headers = request.headers.filter(([name]) => !/^access-control|^origin$/i.test(name))
    request.headers.push(['Access-Control-Request-Method', method])
  }
  return [
    () => (request.host = dice.pick(hosts)),
    () =>
      (request.host = dice.pick(['api.example.com:1', 'api.example.com/', 'a@api.example.com'])),
    () => (request.scheme = 'http'),
    () => (request.method = dice.pick(['GET', 'HEAD', 'POST', 'PUT'])),
    ...(rule?.cors
      ? [
          () => {
            preflight(request.method)
            request.headers.push([
              'Origin',
              dice.pick(['https://app.example', 'https://x.example']),
            ])
          },
          () => {
            preflight(request.method)
            request.headers.push(['Origin', 'https://app.example'])
            request.headers.push(['Access-Control-Request-Headers', dice.pick(['x-run', 'x-y'])])
          },
        ]
      : []),
    () => preflight(request.method),
  ]
}

/** What servers read as the same segment, or as another. */
const SUFFIXES = [
  ...['%20', '.', ';x', '%3Bx', '.json', '%3Fx', '%23', '%253F', '::$DATA', '/', '%2F', '+', '%00'],
  ...['%C2%85', '%E2%80%8B', '%20%20', '.%20', '%20.', ';a%20', '.json%20', '%2e', '/(S(x))', '//'],
]

/** The path of a rule with parameters and wildcards filled. */
const pathOf = (dice: Dice, rule: JsonObject): string =>
  ((rule.match as string).split(' ')[1] ?? '/')
    .replace(/\{\w+\}/g, () => dice.pick(['7', '42', 'admin', 'docs']))
    .replace(/\*$/, () => dice.pick(['', 'x', 'docs/7']))

/** The target with another path; its query stays. */
function setPath(request: RequestSpec, path: string): void {
  const at = request.target.indexOf('?')
  const query = at < 0 ? '' : request.target.slice(at)
  request.target = (path.startsWith('/') ? path : `/${path}`) + query
}

function paths(dice: Dice, request: RequestSpec, { vars, rule }: RequestAim): Way[] {
  const own = request.target.split('?')[0] ?? '/'
  const at = rule ? vars.ROUTES.indexOf(rule) : 0
  const earlier = at > 0 ? vars.ROUTES.slice(0, at) : vars.ROUTES
  const near = (path: string): string => {
    const segments = path.split('/')
    for (let count = dice.pick([1, 1, 1, 2, 3]); count > 0; count--) {
      const i = 1 + dice.below(Math.max(1, segments.length - 1))
      segments[i] = `${segments[i] ?? ''}${dice.pick(SUFFIXES)}`
    }
    return segments.join('/')
  }
  const cased = (path: string) =>
    path.replace(/[a-zé]|%c3%a9/gi, (one) =>
      dice.chance(0.5) ? one : one === '%C3%A9' ? '%C3%89' : one.toUpperCase(),
    )
  return [
    () => setPath(request, near(pathOf(dice, dice.pick(earlier)))),
    () => setPath(request, near(pathOf(dice, dice.pick(earlier)))),
    () => setPath(request, cased(pathOf(dice, dice.pick(earlier)))),
    () => setPath(request, `${pathOf(dice, dice.pick(earlier))}/`),
    () => setPath(request, pathOf(dice, dice.pick(earlier)).replace(/\/$/, '')),
    () => setPath(request, near(own)),
    () => setPath(request, own.replace(/[^/]+$/, '')),
    () => setPath(request, own.replace(/\/[^/]+(?=\/)/, '/')),
    () => setPath(request, own.replace(/\/(?=[^/]*$)/, dice.pick(['//', '%2F', '/./', '%5C']))),
    () =>
      setPath(
        request,
        own.replace(/^\/(\w+)\//, (all) => all + dice.pick(['%2e%2e%2F', '../'])),
      ),
    () => setPath(request, own + '%3Bx'.repeat(dice.pick([7, 8, 130]))),
    () =>
      setPath(
        request,
        dice.pick(['/.well-known/oauth-x', '/x/.well-known/oauth-y', '/v1/.well-known%2Foauth-x']),
      ),
  ]
}

function queries(dice: Dice, request: RequestSpec, { vars, rule }: RequestAim): Way[] {
  const add = (text: string) => {
    request.target += `${request.target.includes('?') ? '&' : '?'}${text}`
  }
  const methods = vars.ROUTES.map(({ match }) => (match as string).split(' ')[0] ?? '')
  const named = [...methods.join().split(','), request.method].filter((one) => one !== '*')
  const table = rule?.when as JsonObject | undefined
  const names = [...listOf(table?.query), ...(rule?.workflow === 'query:run' ? ['run'] : [])]
  return [
    () => add(`_method=${dice.pick(named)}`),
    () =>
      add(`${dice.pick(['_method', 'x-method'])}=${dice.pick(named)}&_method=${dice.pick(named)}`),
    () => add(dice.pick(['Access-Token=1', 'access_token[]=1', 'ACCESS_TOKEN=', 'access.token=1'])),
    ...names.flatMap((name) => [
      () => add(`${name}=5`),
      () => add(`${name.toUpperCase()}=5`),
      () => add(`${name}[]=5`),
      () => (request.target = request.target.split('?')[0] ?? '/'),
    ]),
  ]
}

/** Headers that the rule reads. */
function read(dice: Dice, request: RequestSpec, { rule }: RequestAim): Way[] {
  const tables = [rule?.when, ...Object.values((rule?.mcp as JsonObject | undefined)?.tools ?? {})]
  const [from, of = ''] = String(rule?.workflow ?? '').split(':')
  const names = [
    ...tables.flatMap((one) => listOf((one as JsonObject | undefined)?.headers)),
    ...(from === 'header' ? [of] : []),
  ]
  return names.flatMap((name) => [
    () => request.headers.push([name, dice.pick(['gold', 'silver', 'run-1'])]),
    () => request.headers.push([name.replace('-', '_'), dice.pick(['gold', 'run-2'])]),
    () => request.headers.push(['Connection', dice.pick([name, `close, ${name}`])]),
    () => (request.headers = request.headers.filter(([one]) => one !== name)),
  ])
}

function proofs(dice: Dice, request: RequestSpec, { vars, now }: RequestAim): Way[] {
  const { proof, host, scheme } = request
  if (!proof) {
    if (request.certificate === undefined) return []
    return [
      () => (request.certificate = dice.pick(['other', 'unverified:cert', 'revoked:cert'])),
      () => delete request.certificate,
    ]
  }
  const path = request.target.split('?')[0] ?? '/'
  const by = () => dice.pick([-1, -0.5, 0, 0.5, 1])
  const age = vars.GATE.proof_max_age === '10s' ? 10 : vars.GATE.proof_max_age === '30s' ? 30 : 60
  const ahead = vars.GATE.proof_max_ahead === '10s' ? 10 : vars.GATE.proof_max_ahead ? 0 : 5
  return [
    () => (proof.key = dice.pick(['client', 'client2', 'clientEd'])),
    () => (proof.header.jwk = dice.pick(['@jwk:client', '@jwk:client2', '@key:client'])),
    () => (proof.claims.htm = dice.pick([request.method.toLowerCase(), 'POST', 'GET'])),
    () =>
      (proof.claims.htu = dice.pick([
        `${scheme}://${host}:443${path}`,
        `HTTPS://${host.toUpperCase()}${path}?x#y`,
        `https://${host}${path}/`,
        `https://${host}${path.replace(/[a-z]$/, (c) => `%${c.charCodeAt(0).toString(16)}`)}`,
        `https://x.example${path}`,
      ])),
    () => (proof.claims.iat = now - age + by()),
    () => (proof.claims.iat = now + ahead + by()),
    () => (proof.claims.exp = now + by()),
    () => (proof.claims.nbf = now + ahead + by()),
    () =>
      (proof.claims.ath = dice.pick<Json>([
        'x',
        null,
        '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU',
      ])),
    () => (proof.claims.jti = dice.pick(['p1', 'p2', '', null])),
    () => (proof.claims.nonce = dice.pick<Json>(['bad', null, 'good', 7])),
    () => (proof.header.typ = dice.pick(['application/dpop+jwt', 'DPOP+JWT', 'jwt', null])),
    () => delete request.proof,
    () => (request.as = 'Bearer '),
    () => request.headers.push(['DPoP', 'x']),
  ]
}

const GRPC_TYPES = [
  ...[
    'application/grpc',
    'application/grpc+proto',
    'Application/GRPC; x=y',
    'application/grpc-web',
  ],
  ...['application/grpcx', 'text/plain, application/grpc', 'application/grpc, text/plain'],
]

function senders(dice: Dice, request: RequestSpec): Way[] {
  const address = dice.pick([
    ...['192.0.2.7', '192.0.3.7', '::ffff:192.0.2.7', '2001:db8::1', '2001:db8::2'],
    ...['2001:db8:0:1::1', '2001:db9::1'],
  ])
  return [
    () => {
      request.headers = request.headers.map(([name, value]) =>
        value === request.address ? [name, address] : [name, value],
      )
      request.address = address
    },
    () => request.headers.push(['Authorization', dice.pick(['Basic x', 'Bearer x', 'DPoP x'])]),
    () => delete request.token,
    () => {
      if (dice.chance(0.8)) request.method = 'POST'
      request.headers.push(['Content-Type', dice.pick(GRPC_TYPES)])
    },
    () => (request.as = dice.pick(['DPoP ', 'Basic ', 'bearer ', 'Bearer  '])),
    () => {
      request.as = `protocol:${dice.pick(['own.', 'openai-insecure-api-key.'])}`
      if (dice.chance(0.8)) {
        request.method = 'GET'
        delete request.body
      }
      if (dice.chance(0.8)) request.headers.push(['Upgrade', 'websocket'])
      if (dice.chance(0.8)) request.headers.push(['Connection', 'Upgrade'])
    },
  ]
}

/** `Content-Digest` of "hello". */
const DIGEST = 'sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:'

function bodies(dice: Dice, request: RequestSpec): Way[] {
  if (request.body === undefined) return []
  const digest = (value: string) => request.headers.push(['Content-Digest', value])
  return [
    () => (request.body = 'x'.repeat(dice.pick([64, 65, 1024, 1025]))),
    () => {
      request.body = 'hello'
      digest(
        dice.pick([DIGEST, `${DIGEST}, ${DIGEST}`, DIGEST.replace('L', 'M'), 'sha-512=:AA==:']),
      )
    },
  ]
}

/** A message to an MCP server, and its headers. */
function messages(dice: Dice, request: RequestSpec, { rule }: RequestAim): Way[] {
  const table = rule?.mcp as JsonObject | undefined
  if (!table) return []
  const set = (name: string, value: string) => {
    request.headers = request.headers.filter(([one]) => one.toLowerCase() !== name.toLowerCase())
    request.headers.push([name, value])
  }
  const aboutHeaders = [
    () => set('Upgrade', 'websocket'),
    () => set('Content-Type', dice.pick(['text/plain', 'application/json; charset=latin1'])),
    () => set('Content-Encoding', dice.pick(['gzip', 'identity'])),
    () => set('Mcp-Session-Id', dice.pick(['mine-1', 'bob-1', 'own-1', ''])),
    () => set('MCP-Protocol-Version', dice.pick(['2025-03-26', '2025-11-25', '2026-07-28', 'x'])),
    () => set('Mcp-Method', dice.pick(['tools/call', 'tools/list', 'notifications/initialized'])),
    () => set('Mcp-Name', dice.pick(['search', 'files_write', '=?base64?c2VhcmNo?='])),
    () => (request.method = dice.pick(['GET', 'DELETE', 'POST'])),
  ]
  const message = messageIn(request.body)
  if (!message) return aboutHeaders
  const params = isTable(message.params) ? message.params : {}
  const args = isTable(params.arguments) ? params.arguments : {}
  const write = (change: () => unknown) => () => {
    change()
    request.body = JSON.stringify(message)
  }
  const ask = (method: string, params: JsonObject) =>
    write(() => Object.assign(message, { method, params }))
  const listed = (name: string) => (isTable(table[name]) ? Object.keys(table[name]) : [])
  const tools = [...listed('tools'), 'search'].map((name) => name.replace('*', 'write'))
  const uris = [...listed('resources'), 'file:///docs/secret'].map((uri) => uri.replace('*', 'a'))
  const call = (): JsonObject => ({
    name: dice.pick(tools),
    arguments: { path: dice.pick(['a', 'b/c', 'x']), amount: dice.pick([7, 100, 101]) },
  })
  return [
    ...aboutHeaders,
    ask('tools/call', call()),
    ask('tools/call', call()),
    ask('tools/call', { ...call(), Name: 'search' }),
    ask('tools/call', { ...call(), arguments: { path: 'a', PATH: 'b' } }),
    ask('tools/call', { name: dice.pick(tools).toUpperCase(), arguments: args }),
    ask('tasks/get', { taskId: dice.pick(['mine-1', 'alice-1', 'own-1']) }),
    ask('tasks/cancel', dice.pick<JsonObject>([{ taskId: 'x' }, {}])),
    ask('resources/read', { uri: dice.pick(uris) }),
    ask('resources/subscribe', { uri: dice.pick(uris) }),
    ask('subscriptions/listen', {
      notifications: { resourceSubscriptions: [dice.pick(uris), dice.pick(uris)] },
    }),
    ask('completion/complete', {
      ref: {
        type: 'ref/resource',
        uri: dice.pick(['file:///docs/{id}', 'file:///{a}/b', ...uris]),
      },
      argument: { name: 'id', value: 'a' },
    }),
    write(() => Object.assign(params, { _Meta: {} })),
    write(() => (message.id = dice.pick<Json>([null, 'a', 1, 1.5]))),
    write(() => (message.method = dice.pick(['notifications/initialized', 'ping', 'tools/list']))),
    () => {
      const two = [message, { ...message, id: 'second', method: 'tools/call', params: call() }]
      request.body = JSON.stringify(dice.chance(0.5) ? two : two.reverse())
      set('MCP-Protocol-Version', '2025-03-26')
    },
  ]
}

const isTable = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The one message of a body. */
function messageIn(body: string | undefined): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(body ?? '')
    return isTable(value) ? value : undefined
  } catch {
    return undefined
  }
}
