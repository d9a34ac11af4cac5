import { type CryptoKey, generateKeyPair } from 'jose'
import * as v from 'valibot'
import { durationMs } from '../../gate/base/duration.ts'
import { type JsonObject, objectOf, own, ownText } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Surroundings } from '../base/command.ts'
import { accessTokenClaims, readKeyFile, signToken } from '../base/key-file.ts'
import { cannotTell, type Outcome } from '../base/output.ts'
import { callAs, type GateOptions, listAs } from '../operate/access.ts'

/** How tokens of canaries are made. */
export interface Canary {
  /** The `iss` of the canaries. */
  readonly issuer: string
  /** Signs a token for an agent and a resource; `lifetime` in seconds. */
  token(agent: string, resource: string, lifetime?: number): Promise<string>
  /** A token with the right `kid`, signed with a key that the gate does not have. */
  forged(agent: string, resource: string): Promise<string>
  /** A token without a signature (RFC 7519 §6). */
  unsigned(agent: string, resource: string): string
}

/** Seconds that a token of a canary is valid, besides the bound that is waited for. */
export const LIFETIME = 300

/** Reads the key file of the canaries. `now`: seconds since the epoch. */
export async function readCanary(path: string, now: () => number): Promise<Result<Canary, string>> {
  const read = await readKeyFile(path)
  if (!read.ok) return read
  const { issuer, kid } = read.value
  const claimsFor = (agent: string, audience: string, lifetime = LIFETIME) =>
    accessTokenClaims(issuer, {
      audience,
      subject: agent,
      client: agent,
      scopes: [],
      issuedAt: Math.floor(now()),
      lifetime,
    })
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return ok({
    issuer,
    token: (agent, resource, lifetime) =>
      signToken(read.value, claimsFor(agent, resource, lifetime)),
    async forged(agent, resource) {
      const { privateKey } = await generateKeyPair('ES256')
      const other = { issuer, kid, key: privateKey as CryptoKey }
      return signToken(other, claimsFor(agent, resource))
    },
    unsigned: (agent, resource) =>
      `${part({ alg: 'none', typ: 'at+jwt' })}.${part(claimsFor(agent, resource))}.`,
  })
}

/** The canary that no drill revokes. */
export const NEVER_REVOKED = 'drill-0'

/** How many others there are. */
const CANARIES = 1_000

/**
 * Names of canaries that are not revoked, chosen at random, so that two drills at once hardly use the same. There are few
 * enough for the registry of agents.
 */
export async function freeAgents(
  issuer: string,
  count: number,
  options: GateOptions,
  around: Surroundings,
): Promise<Result<readonly string[], Outcome>> {
  const listed = await listAs(
    options,
    'edgewarden:revoke',
    around,
    ['/revocations', 'revocations'],
    { query: { issuer, kind: 'agent' }, most: CANARIES },
  )
  if (listed.fault) return fail(listed.fault)
  const free = new Set(Array.from({ length: CANARIES }, (_, i) => `drill-${i + 1}`))
  for (const one of listed.found) free.delete(String(own(one, 'value')))
  if (free.size < count) {
    return fail(
      cannotTell('Every canary is revoked. Their revocations end by themselves: try later.'),
    )
  }
  const names = [...free]
  return ok(
    Array.from({ length: count }, () => {
      const [name = ''] = names.splice(Math.floor(Math.random() * names.length), 1)
      return name
    }),
  )
}

/** Milliseconds: a drill waits for no longer, whatever a gate says. */
const LONGEST = 60 * 60 * 1000

const DURATION = v.pipe(
  v.string(),
  v.transform((text) => durationMs(text)),
  v.number(),
  v.maxValue(LONGEST),
)
const TERMS = v.object({
  consistency: v.picklist(['strict', 'bounded']),
  max_staleness: DURATION,
})
const POLICY = v.object({
  gate: v.object({
    resource: v.string(),
    revocation: TERMS,
    clock_tolerance: DURATION,
  }),
  routes: v.array(
    v.object({
      match: v.string(),
      mode: v.optional(v.string()),
      on_revocation: v.optional(v.string()),
      revocation: v.optional(TERMS),
    }),
  ),
})
/** What a drill reads of the policy in force. */
export type PolicyOfGate = v.InferOutput<typeof POLICY>

/** Reads the policy in force, as the gate shows it. */
export async function policyOf(
  options: GateOptions,
  around: Surroundings,
): Promise<Result<PolicyOfGate, Outcome>> {
  const answer = await callAs(options, 'edgewarden:read', around, '/policy')
  if (!answer.ok) return answer
  const read = v.safeParse(POLICY, answer.value.body)
  return read.success
    ? ok(read.output)
    : fail(cannotTell('The gate shows no policy, or one that is not known here.'))
}

/** The rule that a canary uses. */
export interface CanaryRule {
  readonly resource: string
  readonly isStrict: boolean
  /** Milliseconds until every request is refused, once every shard has a revocation; 0 on a strict rule. */
  readonly bound: number
  /** Milliseconds until a stream ends, once every shard has a revocation; absent if it need not end. */
  readonly streamBound?: number
}

/**
 * Asks the gate to explain a canary's request, which forwards nothing. The reason of a failure says why the canary is
 * refused.
 */
export async function ruleOf(
  url: string,
  agent: string,
  canary: Canary,
  { gate, routes }: PolicyOfGate,
  options: GateOptions,
  around: Surroundings,
): Promise<Result<CanaryRule, string>> {
  const explain = async (resource: string) => {
    const body = { method: 'GET', url, token: await canary.token(agent, resource) }
    const sent = { method: 'POST', body } as const
    const answer = await callAs(options, 'edgewarden:read', around, '/explain', sent)
    return answer.ok ? ok(answer.value.body) : fail(answer.reason.err[0] ?? 'no explanation')
  }
  const routeIn = (explained: JsonObject) => {
    const shown = objectOf(own(explained, 'route'))
    return { match: ownText(shown, 'match'), resource: ownText(shown, 'resource') }
  }
  let answer = await explain(gate.resource)
  const named = answer.ok ? routeIn(answer.value).resource : undefined
  if (named !== undefined && named !== gate.resource) answer = await explain(named)
  if (!answer.ok) return answer
  const { match, resource } = routeIn(answer.value)
  const { code } = objectOf(own(answer.value, 'denial'))
  if (code === 'issuer_not_accepted') {
    return fail(`${match} does not accept canaries: its issuers must name their table`)
  }
  if (code !== undefined) return fail(`the gate refuses a canary (${code})`)
  const rule = routes.find((one) => one.match === match)
  if (resource === undefined || !rule?.revocation) return fail('no rule there reads a token')
  if (rule.mode === 'shadow') return fail(`${match} is in shadow mode: it refuses nothing`)
  const { consistency, max_staleness: staleness } = rule.revocation
  const isStrict = consistency === 'strict'
  return ok({
    resource,
    isStrict,
    bound: isStrict ? 0 : staleness,
    ...(rule.on_revocation !== 'ignore' && {
      streamBound: isStrict ? gate.revocation.max_staleness : staleness,
    }),
  })
}
