/** Requests to the rules of a policy and to their borders. */
import type { JsonObject } from '../reference/types.ts'
import type { Dice } from './dice.ts'
import { sendElsewhere } from './elsewhere.ts'
import { mcpRequest } from './mcp.ts'
import type { RequestSpec, TokenSpec, Vars } from './shapes.ts'
import { IDS, ODD_IDS, WORKFLOWS } from './words.ts'

/** A request, and the parameters that its path has by the rule. */
export interface Aimed {
  request: RequestSpec
  rule: JsonObject | undefined
  params: Record<string, string>
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** A request that a rule mostly matches. Parameters mostly have one of the values `ids`. */
export function requestTo(dice: Dice, vars: Vars, rule: JsonObject, ids = IDS): Aimed {
  const [methods = '', pattern = '/'] = (rule.match as string).split(' ')
  const params: Record<string, string> = {}
  const path = pattern
    .replace(/\{(\w+)\}/g, (_, name: string) => {
      const id = dice.chance(0.93) ? dice.pick(ids) : dice.pick(ODD_IDS)
      params[name] = id
      return id
    })
    .replace(/\*$/, () =>
      dice.chance(0.9) ? dice.pick(['', 'x', 'x/y', ...IDS]) : dice.pick(ODD_IDS),
    )
  const method = methods === '*' ? dice.pick(METHODS) : dice.pick(methods.split(','))
  const resource = new URL((rule.resource ?? vars.GATE.resource) as string)
  const request: RequestSpec = {
    method,
    scheme: 'https',
    host: (rule.host as string | undefined) ?? resource.hostname,
    target: path,
    headers: [],
    address: dice.pick(['192.0.2.7', '192.0.2.7', '198.51.100.9', '2001:db8::1', '2001:db8::2']),
  }
  const { client_ip: clientIp = 'cf-connecting-ip' } = vars.GATE
  if (clientIp !== 'none' && clientIp !== 'connection' && dice.chance(0.95)) {
    request.headers.push([clientIp as string, request.address])
  }
  facts(dice, request)
  if (rule.mcp) mcpRequest(dice, request)
  else if (!['GET', 'HEAD', 'OPTIONS'].includes(method) && dice.chance(0.6)) {
    request.body = dice.pick(['hello', '', '{"a":1}', 'x'.repeat(100)])
  }
  readBy(dice, rule, request, params)
  return { request, rule, params }
}

function facts(dice: Dice, request: RequestSpec): void {
  if (dice.chance(0.5)) request.country = dice.pick(['DE', 'AT', 'US'])
  if (dice.chance(0.3)) request.asn = dice.pick([64_500, 64_501])
  if (dice.chance(0.3)) request.botScore = dice.pick([10, 30, 31, 90])
}

/** What the rule reads of a request: workflow, headers and query of its condition. */
function readBy(
  dice: Dice,
  rule: JsonObject,
  request: RequestSpec,
  params: Record<string, string>,
): void {
  const query: string[] = []
  const { workflow, when } = rule
  if (typeof workflow === 'string') {
    const run = dice.pick(WORKFLOWS)
    const [from, name = ''] = workflow.split(':')
    params['*workflow'] = from === 'path' ? (params[name] ?? run) : run
    if (from === 'header' && dice.chance(0.95)) request.headers.push([name, run])
    if (from === 'query' && dice.chance(0.95)) query.push(`${name}=${run}`)
  }
  const table = typeof when === 'object' && when !== null ? (when as JsonObject) : {}
  for (const name of (table.headers ?? []) as string[]) {
    if (dice.chance(0.85)) request.headers.push([name, dice.pick(['gold', 'silver', 'tin'])])
  }
  for (const name of (table.query ?? []) as string[]) {
    if (dice.chance(0.85)) query.push(`${name}=${dice.pick(['5', '10', '11', 'x', '', '1%30'])}`)
  }
  if (dice.chance(0.2)) query.push(dice.pick(['format=pdf', 'a', 'q=a+b', "o='x'"]))
  if (query.length > 0) request.target += `?${query.join('&')}`
}

/** How a token is sent, with what it needs beside. */
export function send(
  dice: Dice,
  request: RequestSpec,
  name: string,
  spec: TokenSpec,
  rule: JsonObject | undefined,
  now: number,
): void {
  request.token = name
  const cnf = spec.claims.cnf
  const bound = typeof cnf === 'object' && cnf !== null && !Array.isArray(cnf) ? cnf : undefined
  if (bound?.['x5t#S256'] !== undefined) {
    request.certificate = dice.chance(0.9) ? 'cert' : 'other'
  } else if (bound && dice.chance(0.95)) {
    if (dice.chance(0.95)) request.as = 'DPoP '
    const key = String(bound.jkt ?? bound.jwk).split(':')[1] ?? 'client'
    if (dice.chance(0.97)) {
      request.proof = {
        key: dice.chance(0.97) && ['client', 'client2', 'clientEd'].includes(key) ? key : 'client',
        header: {},
        claims: {
          jti: dice.pick(['p1', 'p2', 'p3', 'p4', 'p5']),
          ...(dice.chance(0.5) && { nonce: 'good' }),
        },
      }
      if (dice.chance(0.15)) changeProof(dice, request, now)
    }
  } else if (dice.chance(0.03))
    request.as = dice.pick([
      'bearer ',
      'BEARER ',
      'Bearer  ',
      'DPoP ',
      'Basic ',
      'Bearer',
      'Bearer\t',
    ])
  sendElsewhere(dice, request, rule)
  const prefixes = rule?.token_subprotocols as string[] | undefined
  if (dice.chance(prefixes ? 0.5 : 0.01)) {
    request.as = `protocol:${dice.pick([...(prefixes ?? []), 'own.'])}`
    delete request.proof
    if (dice.chance(0.95)) request.headers.push(['Upgrade', 'websocket'], ['Connection', 'Upgrade'])
    if (dice.chance(0.9)) request.method = 'GET'
    if (request.method === 'GET') delete request.body
  }
}

function changeProof(dice: Dice, { proof, target, host }: RequestSpec, now: number): void {
  if (!proof) return
  dice.pick([
    () => (proof.header.typ = dice.pick(['dpop+jwt', 'application/dpop+jwt', 'JWT', null])),
    () => (proof.header.alg = dice.pick(['ES384', 'HS256', 'none'])),
    () => (proof.header.crit = ['x']),
    () => (proof.claims.htm = dice.pick(['get', 'POST', 'GET', 7])),
    () =>
      (proof.claims.htu = dice.pick([
        `https://${host}${target.toUpperCase()}`,
        `https://${host}:443${target.split('?')[0]}`,
        `HTTPS://${host}${target.split('?')[0]}?x=1#y`,
        `http://${host}${target}`,
        'x',
        `https://x.example${target}`,
      ])),
    () => (proof.claims.iat = now + dice.pick([-61, -60, -30, -11, -10, 0, 5, 6, 10, 11, 0.5])),
    () => (proof.claims.ath = dice.pick(['x', null, ''])),
    () => (proof.claims.jti = dice.pick([null, '', 7, 'p1'])),
    () => (proof.claims.nonce = dice.pick(['bad', null, 7, 'good'])),
    () => (proof.claims.exp = now + dice.pick([-1, 0, 1])),
    () => (proof.claims.nbf = now + dice.pick([-1, 0, 1])),
  ])()
}

const OWN = [
  ...['ready', 'jwks.json', 'policy', 'metrics', 'revocations', 'nothing', 'health', '', 'explain'],
  ...['agents', 'approvals', 'revoke', 'events'],
  'approvals/0f8b1f6e-5c1f-4a52-9f3e-0f2a9d6c7b11',
]

/** A request to one of the gate's own endpoints, or to metadata. */
export function requestToGate(dice: Dice, vars: Vars): RequestSpec {
  const prefix = (vars.GATE.prefix as string | undefined) ?? '/.edgewarden'
  const name = dice.pick(OWN)
  return {
    // Which methods an endpoint has is not judged here.
    method: ['explain', 'revoke', 'events'].includes(name) ? 'POST' : 'GET',
    scheme: dice.chance(0.95) ? 'https' : 'http',
    host: dice.chance(0.95) ? 'api.example.com' : 'x.example',
    target: dice.chance(0.85)
      ? `${prefix}/${name}`
      : dice.pick([
          prefix,
          '/.well-known/oauth-protected-resource',
          '/.well-known/oauth-protected-resource/v1',
          '/.well-known/oauth-authorization-server',
          '/.well-known/openid-configuration',
        ]),
    headers: dice.chance(0.95) ? [['cf-connecting-ip', '192.0.2.7']] : [],
    address: '192.0.2.7',
  }
}

const HEADERS: [string, string][] = [
  ['X-Agent-Id', 'root'],
  ['X_Agent_Id', 'root'],
  ['X-Acme-Agent-Scope', 'all'],
  ['x-debug', '1'],
  ['X_Debug', '1'],
  ['X-Tenant', 'forged'],
  ['X-Request-Id', 'abcdefgh-1'],
  ['X-Request-Id', 'short'],
  ['X-Forwarded-For', '1.2.3.4'],
  ['Forwarded', 'for=1.2.3.4'],
  ['Via', '1.1 x'],
  ['Connection', 'close, x-tier'],
  ['Connection', 'X-Run'],
  ['Keep-Alive', 'timeout=5'],
  ['TE', 'trailers'],
  ['Cookie', 'a=b'],
  ['Accept', '*/*'],
  ['X-Run', 'run-1'],
  ['X-Run', 'run-1, run-2'],
  ['x_run', 'run-2'],
  ['X-Tier', 'gold'],
  ['X-HTTP-Method-Override', 'DELETE'],
  ['X-Original-URL', '/v1/admin'],
  ['Cf-Ipcountry', 'US'],
  ['Cache-Control', 'max-age=0'],
  ['Proxy-Authorization', 'Basic x'],
  ['DPoP', 'x'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Protocol', 'chat, superchat'],
  ['Origin', 'https://app.example'],
  ['Content-Digest', 'sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:'],
  ['Authorization', 'Bearer x'],
  ['Mcp-Session-Id', 'x'],
  ['Client-Cert', ':x:'],
  ['Remote-User', 'root'],
  ['X-Api-Key', 'forged'],
  ['x-level', '9'],
  ['Content-Type', 'application/grpc+proto'],
]

const QUERIES = [
  ...['_method=DELETE', '_method=GET', 'X-HTTP-Method-Override=PUT', 'access_token=x', 'run=run-1'],
  ...['run=run-1&run=run-2', 'RUN=run-1', 'limit=5&limit=6', 'limit[]=5', 'a;b=c', 'a=%4'],
  ...['a=b]=c', '_method=GET&_method=POST', '%61ccess_token=x', 'a?b=c', '', 'Access_Token=x'],
  '_METHOD=DELETE',
]

const CHANGES: ((dice: Dice, request: RequestSpec) => void)[] = [
  (dice, request) => request.headers.push(dice.pick(HEADERS)),
  (dice, request) => request.headers.push(dice.pick(HEADERS)),
  (dice, request) => {
    const [header] = dice.some(request.headers, 0.5)
    // The address of the caller is no list: it comes from the platform or from a proxy.
    if (header && !/-ip|access-control/i.test(header[0])) request.headers.push([...header])
  },
  (dice, request) => {
    request.target += `${request.target.includes('?') ? '&' : '?'}${dice.pick(QUERIES)}`
  },
  (dice, request) => (request.method = dice.pick([...METHODS, 'PROPFIND'])),
  (dice, request) =>
    (request.host = dice.pick([
      ...['x.example', 'API.example.com', 'api.example.com:8443', 'files.example.com'],
      ...['alt.example.com', 'api.example.com.', 'a,b'],
    ])),
  (_, request) => (request.scheme = 'http'),
  (dice, request) => {
    const [path = '', query] = request.target.split('?')
    const changed = dice.pick([
      () => `${path}/`,
      () => path.replace(/\/$/, ''),
      () => path.toUpperCase(),
      () => path.replace('/', '//'),
      () => path.replace(/[a-z]/, (c) => `%${c.charCodeAt(0).toString(16)}`),
      () => `${path}.json`,
      () => `${path}%20`,
      () => `${path}.`,
      () => `${path}%3Bx`,
      () => `${path}%3Fx`,
      () => path.replace(/\/([^/]*)$/, '/./$1'),
      () => path.replace(/\/([^/]*)$/, '/..%20/$1'),
      () => `${path}:verb`,
      () => '/',
      () => '/v1/admin',
      () => '/v1/docs/7',
    ])()
    request.target =
      (changed.startsWith('/') ? changed : `/${changed}`) + (query === undefined ? '' : `?${query}`)
  },
  (dice, request) => {
    request.method = 'OPTIONS'
    delete request.body
    // Browsers name one method.
    request.headers = request.headers.filter(([name]) => !/^access-control|^origin$/i.test(name))
    request.headers.push(
      ['Origin', dice.pick(['https://app.example', 'https://x.example'])],
      ['Access-Control-Request-Method', dice.pick(['GET', 'POST', 'PUT', 'get', 'X'])],
    )
  },
  (_, request) => (request.body = 'x'),
  (_, request) => delete request.token,
]

/** Makes a request unusual in one place. */
export function changeRequest(dice: Dice, request: RequestSpec): void {
  dice.pick(CHANGES)(dice, request)
}
