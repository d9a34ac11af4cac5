/** A sample of cases over HTTP: the Worker in workerd, and what an origin really got. */

import { type Gate, startGate } from '../kit/gate.ts'
import type { Origin } from '../kit/origin.ts'
import { rawRequest } from '../kit/raw.ts'
import { createReference } from '../reference/decide.ts'
import type { JsonObject, Verdict } from '../reference/types.ts'
import { makeCase, repaired } from './cases.ts'
import { differences, saidOf } from './compare.ts'
import { filled } from './material.ts'
import {
  BEGIN,
  type Case,
  type RequestSpec,
  type Said,
  type TokenSpec,
  type Vars,
} from './shapes.ts'
import { SECRETS, sentOf, worldOf } from './world.ts'

const SCHEME = 'x-scheme'

/** Requests to each gate. */
const STEPS = 60

/** Keys that need what plain workerd does not have, a person, or a clock that stands still. */
const GATE_KEYS = [
  'origin_via',
  'address_limit',
  'dpop_nonce',
  'console',
  'agents',
  'client_ip',
  'lift',
]
const RULE_KEYS = ['origin_via', 'rate_limit', 'max_age', 'when', 'agents', 'approval']

/** Headers that are about one connection, or that the server of HTTP reads by itself. */
const OF_CONNECTION =
  /^(?:connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|proxy-.*|sec-websocket-.*)$/i

/** Headers that the way to the origin adds. */
const ON_THE_WAY = [
  SCHEME,
  'accept-encoding',
  'content-length',
  'content-type',
  'host',
  'connection',
  'user-agent',
  // workerd sets it with `cache: "no-store"`.
  'pragma',
]

const without = (table: JsonObject, keys: string[]): JsonObject =>
  Object.fromEntries(Object.entries(table).filter(([key]) => !keys.includes(key)))

/** Whether the secret of `decrypt` is one of those that the gate has. */
const isPutIn = (decrypt: JsonObject[string]): boolean =>
  String((decrypt as JsonObject | undefined)?.secret) in SECRETS

/** The policy with its keys in itself and with origins on this machine. */
function varsOf({ policies: [vars], keys }: Case): Vars | undefined {
  if (!vars) return undefined
  const { GATE, ISSUERS, ROUTES } = vars
  return repaired({
    ...vars,
    GATE: { ...without(GATE, GATE_KEYS), origin: 'service:ORIGIN' },
    ISSUERS: Object.fromEntries(
      Object.entries(ISSUERS).map(([name, table]) => [
        name,
        {
          ...without(table, ['jwks_uri', 'jwks_cache', 'agents', 'decrypt']),
          ...(isPutIn(table.decrypt) && { decrypt: table.decrypt as JsonObject }),
          jwks: { keys: (keys[name] ?? []).map((key) => `@key:${key}`) },
        },
      ]),
    ),
    ROUTES: ROUTES.map((rule) => ({
      ...without(rule, RULE_KEYS),
      ...(rule.origin !== undefined && { origin: 'service:DOCS' }),
    })),
  })
}

const TIMES = ['iat', 'exp', 'nbf', 'auth_time']

/** The token as if the case began now; `undefined` if its times are near a border. */
function shifted(spec: TokenSpec, by: number): TokenSpec | undefined {
  const claims = { ...spec.claims }
  for (const name of TIMES) {
    const time = claims[name]
    if (typeof time !== 'number' || Math.abs(time - BEGIN) > 1e6) continue
    const isNear = name === 'exp' ? Math.abs(time - BEGIN) < 200 : time > BEGIN - 1
    if (isNear) return undefined
    claims[name] = time + by
  }
  return { ...spec, claims }
}

/** Whether a request can be sent as it is over HTTP, and is for a rule. */
function isSendable(
  { target, headers, scheme, method, body }: RequestSpec,
  prefix: string,
): boolean {
  const isBodiless = method === 'GET' || method === 'HEAD'
  return (
    /^[\x21-\x7e]+$/.test(target) &&
    // Metadata and own endpoints are not forwarded.
    !target.toLowerCase().startsWith(prefix) &&
    !target.startsWith('/.well-known/oauth-protected') &&
    !headers.some(([name]) => OF_CONNECTION.test(name)) &&
    // Sessions and tasks of this gate are sealed with its own key.
    !headers.some(([name]) => /^mcp-session-id$/i.test(name)) &&
    !body?.includes('"tasks/') &&
    !(isBodiless && body !== undefined) &&
    scheme.length > 0
  )
}

export interface Sample {
  decisions: number
  forwarded: number
  disagreements: string[]
}

/** Sends the requests of one case to a gate in workerd. */
export async function sample(seed: number, number: number, origin: Origin): Promise<Sample> {
  const result: Sample = { decisions: 0, forwarded: 0, disagreements: [] }
  const one = makeCase(seed, number, STEPS)
  const vars = varsOf(one)
  if (!vars) return result
  const gate = await startGate({
    vars: filled(vars) as Record<string, unknown>,
    secrets: SECRETS,
    services: { ORIGIN: origin.url, DOCS: origin.url },
    protocolHeader: SCHEME,
  })
  try {
    const reference = createReference(filled(vars) as never)
    const world = worldOf(one)
    const by = Math.floor(Date.now() / 1000) - BEGIN
    const prefix = String(vars.GATE.prefix ?? '/.edgewarden')
    for (const step of one.steps) {
      const { held: _, ...request } = step.request
      // Plain workerd knows of no certificates.
      if (!isSendable(request, prefix) || request.certificate) continue
      const named = request.token === undefined ? undefined : one.tokens[request.token]
      const token = named && shifted(named, by)
      if (named && !token) continue
      if (request.as?.startsWith('protocol:') || isTimed(request)) continue
      const moved: Case = { ...one, tokens: token ? { [request.token as string]: token } : {} }
      const now = Date.now()
      const sent = sentOf(request, moved, now)
      const first = await ask(gate, origin, sent.request)
      const verdict: Verdict = reference.decide(sent.request, world)
      const second = saidOf(verdict, sent.request)
      result.decisions++
      if (first.outcome === 'forwarded') result.forwarded++
      const differs = differences(alike(first, second), second)
      if (differs.length === 0) continue
      result.disagreements.push(
        `seed ${seed}, number ${number}: ${differs.join('; ')}\n${JSON.stringify({ vars, token, request, first, second })}`,
      )
      break
    }
  } finally {
    await gate.stop()
  }
  return result
}

const isTimed = ({ proof }: RequestSpec): boolean =>
  ['iat', 'exp', 'nbf'].some((name) => proof?.claims[name] !== undefined)

/** What the journal does not say is not compared here. */
function alike(first: Said, second: Said): Said {
  const { rule, issuer, agent, grant } = second
  return {
    ...first,
    ...(rule !== undefined && { rule }),
    ...(issuer !== undefined && { issuer }),
    ...(agent !== undefined && { agent }),
    ...(grant !== undefined && { grant }),
    // The origin sees no address of its own, only the path.
    ...(first.target !== undefined && {
      target: first.target.replace(' ', ` ${/service:\w+/.exec(second.target ?? '')?.[0] ?? ''}`),
    }),
  }
}

async function ask(
  gate: Gate,
  origin: Origin,
  { method, scheme, host = '', target, headers, body }: Parameters<Reference>[0],
): Promise<Said> {
  const bytes = Buffer.from(body ?? '')
  const lines = gate.journal().length
  const before = origin.requests.length
  const answer = await gate.raw(
    rawRequest({
      method,
      target,
      headers: [
        ['Host', host],
        [SCHEME, scheme],
        ...headers,
        ...(body === undefined
          ? []
          : ([['Content-Length', String(bytes.length)]] as [string, string][])),
        ['Connection', 'close'],
      ],
      body: bytes,
    }),
  )
  if (gate.journal().length === lines) {
    await gate.journalLine((line) => gate.journal().indexOf(line) >= lines, 5_000)
  }
  const line = gate.journal()[lines] ?? {}
  const arrived = origin.requests[before]
  const code = line.code as string | undefined
  if (!arrived) {
    const outcome = code !== undefined || answer.status >= 400 ? 'refused' : 'preflight'
    return { outcome, ...(code !== undefined && { code }) }
  }
  const got: Record<string, string> = {}
  for (const [name] of arrived.rawHeaders) {
    const lower = name.toLowerCase()
    const value = arrived.header(name) ?? ''
    // workerd sets it too, on a rule on which the gate sets none.
    const isAdded = lower === 'cache-control' && value === 'no-cache'
    if (!ON_THE_WAY.includes(lower) && !isAdded) got[lower] = value
  }
  const assertion = Object.entries(got).find(([name]) => name.endsWith('-assertion'))?.[1]
  return {
    outcome: 'forwarded',
    ...(assertion !== undefined && {
      assertion: JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString()),
    }),
    ...(line.would_deny === true && { shadow: true, ...(code !== undefined && { code }) }),
    target: `${arrived.method} ${arrived.url}`,
    headers: got,
  }
}

type Reference = ReturnType<typeof createReference>['decide']
