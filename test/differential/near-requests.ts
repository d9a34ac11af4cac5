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
  const groups = [places, paths, queries, read, proofs, senders, bodies]
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
    () => (request.as = dice.pick(['DPoP ', 'Basic ', 'bearer ', 'Bearer  '])),
    () => {
      request.as = `protocol:${dice.pick(['own.', 'openai-insecure-api-key.'])}`
      request.headers.push(['Upgrade', 'websocket'])
      if (dice.chance(0.7)) request.headers.push(['Connection', 'Upgrade'])
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
