import { requiredBy } from '../answer/problem.ts'
import { contentLength } from '../base/body.ts'
import type { Denial } from '../base/denial.ts'
import { dateTimeText } from '../base/duration.ts'
import { objectOf, own, ownText } from '../base/json.ts'
import { LIMITS } from '../base/limits.ts'
import { networkOf } from '../base/network.ts'
import type { RequestHead } from '../base/request.ts'
import { claimed } from '../base/text.ts'
import { type Admitted, type Decision, type Facts, type Passed, refusalOf } from '../guard/guard.ts'
import { accessOf } from '../guard/stages/claims.ts'
import { actorsOf } from '../guard/stages/delegation.ts'
import { identityOf } from '../guard/stages/identity.ts'
import { journalOf } from '../guard/stages/operation.ts'
import type { Act, AuditRule } from '../model/audit.ts'
import { claimPathText, readClaim } from '../model/claims.ts'
import type { Gate } from '../model/policy.ts'
import { holesOf } from '../model/scope.ts'
import { type AccessToken, typesOf } from '../model/token.ts'
import { assertionIdOf } from '../relay/assertion.ts'
import type { Relayed } from '../relay/relay.ts'
import { isTold, recordedPath } from './record-path.ts'

/** The facts of a journal line besides the decision. */
export interface RecordContext {
  /** The gate's own id of the request. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly requestId: string
  readonly version?: string | undefined
  readonly colo?: string | undefined
  /** A denial after the guard: forwarding failed, or an endpoint of the gate refused. */
  readonly denial?: Denial | undefined
  readonly origin?: Relayed['origin']
  /** Ids of the revocations the request made or lifted. */
  readonly revocations?: readonly string[] | undefined
  /** The names of the filters with which the request read the audit. */
  readonly read?: readonly string[] | undefined
  /** The request id of the open WebSocket for which the request brought a new token. */
  readonly renews?: string | undefined
}

/** Whether to write a decision: all denials, also in shadow mode, and a share of the rest. `undefined`: here and below, the guard did not decide. */
export function isRecorded(
  decision: Decision | undefined,
  denial: Denial | undefined,
  { allowed }: Gate['journal'] = { allowed: 1 },
  random: () => number = Math.random,
): boolean {
  return (
    denial !== undefined || decision?.outcome === 'denied' || allowed === 1 || random() < allowed
  )
}

/**
 * One journal line, as JSON; unknown members are left out. Until the signature is verified, issuer
 * and `kid` of the token are written as claims and cut short. Those of an encrypted token are not
 * written. Tokens, queries and bodies are never written.
 */
export function recordOf(decision: Decision | undefined, context: RecordContext): string {
  return JSON.stringify(lineOf(decision, context))
}

const lineOf = (decision: Decision | undefined, context: RecordContext) => ({
  ...headOf(decision, context),
  ...callerOf(decision?.known ?? {}),
})

/** The line of an answer that goes on after its token has expired; `id` is that of the decision's line. */
export function lateOf({ known }: Passed, { id, time, requestId }: RecordContext): string {
  const head = { event: 'finished_after_expiry', ...callOf(id, time, requestId, known) }
  return JSON.stringify({ ...head, ...callerOf(known) })
}

/** The act of an administrator: who, when and by which call. What was changed is added to the record. */
export function actOf(
  { known }: Decision,
  { time, requestId }: Pick<RecordContext, 'time' | 'requestId'>,
): Pick<Act, 'id' | 'record'> {
  const id = crypto.randomUUID()
  const head = { v: 1, kind: 'act', ...callOf(id, time, requestId, known) }
  return { id, record: JSON.stringify({ ...head, ...callerOf(known) }) }
}

const callOf = (id: string, time: number, requestId: string, known: Partial<Facts>) => ({
  id,
  time: dateTimeText(time),
  request_id: requestId,
  possession: proofIn(known),
})

/**
 * How this request proved possession of the token's key. It is not part of an admission: another request with the same
 * token may prove nothing.
 */
const proofIn = ({ possession }: Partial<Facts>) =>
  possession === 'bearer' ? undefined : possession

const headOf = (
  decision: Decision | undefined,
  { id, time, requestId, version, colo, denial, origin, revocations, read, renews }: RecordContext,
) => {
  const known: Partial<Facts> = decision?.known ?? {}
  const { token, credential, operation } = known
  const ofGuard = decision && refusalOf(decision)
  const refused = ofGuard ?? denial
  // The denial that shadow mode ignores.
  const shadowed = decision?.outcome === 'denied' && !ofGuard ? decision.denial : undefined
  const claims = token || credential?.opened ? undefined : credential
  const reason = refused ?? shadowed
  return {
    v: 1,
    id,
    time: dateTimeText(time),
    request_id: requestId,
    decision: refused ? 'denied' : 'allowed',
    code: reason?.code,
    detail: reason && detailOf(reason, known),
    would_deny: shadowed ? true : undefined,
    version,
    colo,
    claimed_issuer: claimed(claims?.claimedIssuer),
    claimed_kid: claimed(claims?.kid),
    possession: proofIn(known),
    grant: known.grant,
    approval: known.approved?.id,
    approved_by: known.approved?.decision?.by,
    ms: decision?.waits ?? {},
    origin_status: origin?.status,
    origin_request_id: claimed(origin?.requestId),
    revocations,
    renews,
    ...(operation && journalOf(operation)),
    ...(read && { kind: 'read', filters: read }),
  }
}

/** The members that rule and token determine. */
const callerOf = (known: Partial<Admitted>) => {
  const { route, token } = known
  const { access, agent } = bearerOf(known)
  return {
    route: route?.name,
    mode: route?.mode ?? 'enforce',
    issuer: token?.issuer.issuer ?? access?.issuer,
    kid: token?.key.kid ?? access?.kid,
    operator: (token?.issuer ?? access?.entry)?.operator,
    agent: agent?.id,
    client: access?.clientId,
    jti: access?.id,
    subject: access?.subject,
    session: access?.session,
    workflow: agent?.workflowId,
    step: agent?.step,
    actors: agent && agent.actors.length > 0 ? agent.actors : undefined,
    granted_by: access?.granted?.map(({ name }) => name),
  }
}

/** The token's claims and agent. A refused token with a verified signature is read as far as it is well-formed. */
export function bearerOf({ token, access, agent }: Partial<Admitted>) {
  if (!token || agent) return { access, agent }
  const read = access ?? accessOf(token)
  const actors = read && actorsOf(read)
  const identity = actors && identityOf(read, actors)
  return { access: read, agent: typeof identity === 'string' ? undefined : identity }
}

/** The facts that only stored records have. */
export interface AuditContext {
  /** Milliseconds until the head of the answer. */
  readonly duration: number
  /** Of the answer. */
  readonly status: number
  readonly request: RequestHead
  /** The caller's address, from the configured source. */
  readonly address: string | undefined
  readonly country: string | undefined
}

/**
 * A record for the audit: the journal line with the members that only it has. Path values only of the parameters that
 * AUDIT names, or where the rule says so; addresses only as networks, and only where it says so.
 */
export function auditRecordOf(
  decision: Decision | undefined,
  context: RecordContext,
  { duration, status, request, address, country }: AuditContext,
  { addresses }: AuditRule,
): string {
  const known: Partial<Facts> = decision?.known ?? {}
  const { route, params } = known
  const says = route?.auditPath
  const values = [...(params ?? [])].filter(([name]) => isTold(known, name, says === 'values'))
  return JSON.stringify({
    ...lineOf(decision, context),
    duration,
    status,
    method: route && request.method,
    request_bytes: contentLength(request.headers),
    host: known.address?.host,
    path: says === 'full' ? recordedPath(known) : undefined,
    path_values: values.length > 0 ? short(Object.fromEntries(values)) : undefined,
    network: addresses && address !== undefined ? networkTextOf(address) : undefined,
    country: addresses ? country : undefined,
    assertion: decision?.outcome === 'passed' ? assertionIdOf(decision.assertion) : undefined,
    ...tokenMembers(known),
  })
}

/** The members that the token determines. */
const tokenMembers = (known: Partial<Admitted>) => {
  const { access, agent } = bearerOf(known)
  const { intent } = known
  return {
    agent_name: agent?.name === agent?.id ? undefined : agent?.name,
    agent_types: agent?.type === undefined ? undefined : typesOf(agent),
    token_scopes: access?.scopes,
    aud: access && textsIn(own(access.claims, 'aud')),
    iat: timeOf(access?.issuedAt),
    nbf: timeOf(access && own(access.claims, 'nbf')),
    exp: timeOf(access?.expires),
    key_thumbprint: intent?.jkt ?? (access && ownText(objectOf(own(access.claims, 'cnf')), 'jkt')),
    agent_checksum: intent?.checksum,
    registration_id: intent?.registration,
    claims: access && recordedClaims(access, known.policy?.audit),
  }
}

/** The claims that the audit names, as far as the token has them. */
const recordedClaims = ({ claims }: AccessToken, rule: AuditRule | undefined) => {
  const found = (rule?.claims ?? []).flatMap((path) => {
    const value = shortened(readClaim(claims, path))
    return value === undefined ? [] : [[claimPathText(path), value] as const]
  })
  return found.length > 0 ? Object.fromEntries(found) : undefined
}

/** A text or texts, as a list; `undefined` where a refused token has something else. */
const textsIn = (value: unknown): readonly unknown[] | undefined => {
  const texts = [value].flat()
  return texts.every((text) => typeof text === 'string') ? texts : undefined
}

/** A finite number. The claim of a refused token may have any value. */
const timeOf = (time: unknown): unknown => (Number.isFinite(time) ? time : undefined)

/** The first 24 bits of an IPv4 address, and 64 of an IPv6 address. */
const networkTextOf = (address: string): string =>
  networkOf(address).replace(/^(\d+\.\d+\.\d+)\.\d+$/, '$1.0/24')

const detailOf = (denial: Denial, known: Partial<Facts>) => {
  const needed = Object.entries(requiredBy(denial)).map(([name, scopes]) => [
    name,
    asWritten(scopes, known),
  ])
  const { request, ...found } = denial.detail ?? {}
  const named = request !== undefined && namesWorkflow(known) && { request }
  const detail = { ...Object.fromEntries(needed), ...named, ...found }
  return Object.keys(detail).length > 0 ? short(detail) : undefined
}

/** Whether a record may have the workflow that the request names: not a value of its query, nor any of its path. */
const namesWorkflow = (known: Partial<Facts>): boolean => {
  const { from, name = '' } = known.route?.workflow ?? {}
  return from === 'header' || (from === 'path' && isTold(known, name, known.route?.auditPath))
}

/**
 * Scopes as rules write them: a template keeps its placeholder, so no value of the path or of an argument is written.
 */
const asWritten = (scopes: readonly string[], { route, uses = [] }: Partial<Facts>) => {
  const templates = [route, ...uses.map(({ use }) => use)].flatMap(
    (one) => one?.scopes.scopes ?? [],
  )
  const written = scopes.flatMap((scope) =>
    templates.some(({ source }) => source === scope)
      ? scope
      : templates.filter((one) => holesOf(one).length > 0).map(({ source }) => source),
  )
  return [...new Set(written)]
}

/** Bounds each value to a number or cut text: a stranger may have written it. */
const short = (values: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, shortened(value)]))

const shortened = (value: unknown): unknown => {
  const text = typeof value === 'object' ? JSON.stringify(value) : value
  return typeof text === 'string' ? text.slice(0, LIMITS.claimedLength) : text
}
