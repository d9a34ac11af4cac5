import { perAdmission } from '../../core/admission.ts'
import type { Denial } from '../../core/denial.ts'
import {
  type Admitted,
  type Decision,
  type Facts,
  type Passed,
  refusalOf,
} from '../../core/guard.ts'
import { objectOf, own, ownText } from '../../core/json.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Act, AuditRule, Whose } from '../../core/model/audit.ts'
import type { Gate } from '../../core/model/policy.ts'
import { holesOf } from '../../core/model/scope.ts'
import { type AccessToken, type AgentIdentity, typesOf } from '../../core/model/token.ts'
import { networkOf } from '../../core/network.ts'
import { accessOf } from '../../core/stages/claims.ts'
import { actorsOf } from '../../core/stages/delegation.ts'
import { identityOf } from '../../core/stages/identity.ts'
import { journalOf } from '../../core/stages/operation.ts'
import { claimed } from '../../core/text.ts'
import type { Relayed } from '../relay/relay.ts'
import { requiredBy } from './problem.ts'
import { assertionIdOf, recordedClaims, textsIn, timeOf } from './recorded.ts'

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
  /** The origin's answer, if there is one. */
  readonly origin?: Relayed['origin']
  /** Ids of the revocations the request made or lifted. */
  readonly revocations?: readonly string[] | undefined
  /** The names of the filters with which the request read the audit. */
  readonly read?: readonly string[] | undefined
}

/** The denial that shadow mode ignored. */
const shadowedDenial = (decision: Decision | Undecided): Denial | undefined =>
  decision.outcome === 'denied' && !refusalOf(decision) ? decision.denial : undefined

/** Whether to write a decision: all denials, also in shadow mode, and a share of the rest. */
export function isRecorded(
  decision: Decision | Undecided,
  denial: Denial | undefined,
  { allowed }: Gate['journal'] = { allowed: 1 },
  random: () => number = Math.random,
): boolean {
  return (
    denial !== undefined || decision.outcome === 'denied' || allowed === 1 || random() < allowed
  )
}

/**
 * One journal line, as JSON; unknown members are left out. Until the signature is verified, issuer
 * and `kid` of the token are written as claims and cut short. Those of an encrypted token are not
 * written. Tokens, queries and bodies are never written.
 */
export function recordOf(decision: Decision | Undecided, context: RecordContext): string {
  const head = JSON.stringify(headOf(decision, context))
  const known: Partial<Facts> = decision.known
  // Serialized once per admission.
  const rest = known.admission ? admittedText(known.admission, known) : textOf(known)
  return `${head.slice(0, -1)},${rest.slice(1)}`
}

/** The line of an answer that goes on after its token has expired; `id` is that of the decision's line. */
export function lateOf({ known }: Passed, { id, time, requestId }: RecordContext): string {
  const head = JSON.stringify({
    event: 'finished_after_expiry',
    id,
    time: new Date(time).toISOString(),
    request_id: requestId,
    possession: proofIn(known),
  })
  return `${head.slice(0, -1)},${admittedText(known.admission, known).slice(1)}`
}

/** The act of an administrator: who, when and by which call. What was changed is added to the record. */
export function actOf(
  { known }: Decision,
  { time, requestId }: Pick<RecordContext, 'time' | 'requestId'>,
): Pick<Act, 'id' | 'record'> {
  const id = crypto.randomUUID()
  const head = {
    v: 1,
    kind: 'act',
    id,
    time: new Date(time).toISOString(),
    request_id: requestId,
    possession: proofIn(known),
  }
  return { id, record: `${JSON.stringify(head).slice(0, -1)},${textOf(known).slice(1)}` }
}

/** How this request proved possession of the token's key. No admission has it: another request may prove nothing. */
const proofIn = ({ possession }: Partial<Facts>) =>
  possession === 'bearer' ? undefined : possession

/** A request the guard did not decide. */
export type Undecided = Pick<
  Extract<Decision, { readonly outcome: 'ended' }>,
  'outcome' | 'known' | 'waits'
>

const headOf = (
  decision: Decision | Undecided,
  { id, time, requestId, version, colo, denial, origin, revocations, read }: RecordContext,
) => {
  const known: Partial<Facts> = decision.known
  const { token, credential, operation } = known
  const refused = refusalOf(decision) ?? denial
  const shadowed = shadowedDenial(decision)
  const claims = token || credential?.opened ? undefined : credential
  const reason = refused ?? shadowed
  return {
    v: 1,
    id,
    time: new Date(time).toISOString(),
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
    ...(operation && journalOf(operation)),
    ms: decision.waits,
    origin_status: origin?.status,
    origin_request_id: claimed(origin?.requestId),
    revocations,
    ...(read && { kind: 'act', act: 'read', filters: read }),
  }
}

/** The members that rule and token determine. */
const textOf = (known: Partial<Admitted>): string => {
  const { route, token } = known
  const { access, agent } = bearerOf(known)
  return JSON.stringify({
    route: route?.name,
    mode: route?.mode ?? 'enforce',
    issuer: token?.issuer.issuer,
    kid: token?.key.kid,
    agent: agent?.id,
    client: access?.clientId,
    jti: access?.id,
    subject: access?.subject,
    workflow: agent?.workflowId,
    step: agent?.step,
    actors: agent && agent.actors.length > 0 ? agent.actors : undefined,
    granted_by: access?.granted?.map(({ name }) => name),
  })
}

interface Bearer {
  readonly access?: AccessToken | undefined
  readonly agent?: AgentIdentity | undefined
}

/** Whose a token is. One with a verified signature that was refused is read as far as it is well-formed. */
const bearerOf = ({ token, access, agent }: Partial<Admitted>): Bearer =>
  token && !agent ? refusedBearer(access ?? accessOf(token)) : { access, agent }

const refusedBearer = (access: AccessToken | undefined): Bearer => {
  const actors = access && actorsOf(access)
  const agent = actors && identityOf(access, actors)
  return { access, agent: typeof agent === 'string' ? undefined : agent }
}

const admittedText = perAdmission(textOf, (text) => 2 * text.length)

/** Whose decision this is, for the audit. `refused`: the gate has refused the request. */
export function whoseOf({ known }: Decision | Undecided, refused: boolean): Whose {
  return !known.token ? 'stranger' : refused ? 'refused' : 'known'
}

/** The facts that only stored records have. */
export interface AuditContext {
  /** Milliseconds until the head of the answer. */
  readonly duration: number
  /** Of the answer. */
  readonly status: number
  readonly request: Pick<Request, 'method' | 'headers'>
  /** The caller's, from the configured source. */
  readonly address: string | undefined
  readonly country: string | undefined
}

/**
 * A record for the audit: the journal line with the members that only it has. Path values only of the parameters that
 * the rule of the audit names; addresses only as networks, and only where it says so.
 */
export function auditRecordOf(
  line: string,
  decision: Decision | Undecided,
  { duration, status, request, address, country }: AuditContext,
  { addresses, pathValues }: AuditRule,
): string {
  const known: Partial<Facts> = decision.known
  const { route, params } = known
  const values = [...(params ?? [])].filter(([name]) => pathValues.has(name))
  const more = JSON.stringify({
    duration,
    status,
    method: route && request.method,
    request_bytes: lengthOf(request),
    host: known.address?.host,
    path_values: values.length > 0 ? Object.fromEntries(values.map(cutValue)) : undefined,
    network: addresses && address !== undefined ? networkTextOf(address) : undefined,
    country: addresses ? country : undefined,
    assertion: decision.outcome === 'passed' ? assertionIdOf(decision) : undefined,
  })
  const token = known.admission ? admittedToken(known.admission, known) : tokenText(known)
  return `${line.slice(0, -1)},${more.slice(1, -1)}${token === '{}' ? '}' : `,${token.slice(1)}`}`
}

/** The declared length of the body (RFC 9110 §8.6). */
const lengthOf = ({ headers }: AuditContext['request']): number | undefined => {
  const length = headers.get('content-length') ?? ''
  return /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

/** The members that the token determines. */
const tokenText = (known: Partial<Admitted>): string => {
  const { access, agent } = bearerOf(known)
  const { intent } = known
  return JSON.stringify({
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
  })
}

const admittedToken = perAdmission(tokenText, (text) => 2 * text.length)

const cutValue = ([name, value]: readonly [string, string]) =>
  [name, value.slice(0, LIMITS.claimedLength)] as const

/** The first 24 bits of an IPv4 address, and 64 of an IPv6 address. */
const networkTextOf = (address: string): string => {
  const network = networkOf(address)
  return network.replace(/^(\d+\.\d+\.\d+)\.\d+$/, '$1.0/24')
}

const detailOf = (denial: Denial, known: Partial<Facts>) => {
  const needed = Object.entries(requiredBy(denial)).map(([name, scopes]) => [
    name,
    asWritten(scopes, known),
  ])
  const detail = { ...Object.fromEntries(needed), ...denial.detail }
  return Object.keys(detail).length > 0 ? short(detail) : undefined
}

/** Scopes as rules write them: in a template stands a value of the path, or an argument. */
const asWritten = (scopes: readonly string[], { route, uses = [] }: Partial<Facts>) => {
  const rules = [route?.scopes, ...uses.map(({ use }) => use.scopes)]
  const templates = rules.flatMap((rule) => rule?.scopes ?? [])
  const written = scopes.flatMap((scope) =>
    templates.some(({ source }) => source === scope)
      ? scope
      : templates.filter((one) => holesOf(one).length > 0).map(({ source }) => source),
  )
  return [...new Set(written)]
}

/** Bounds each detail to a number or cut text: a stranger may have written it. */
const short = (detail: NonNullable<Denial['detail']>) =>
  Object.fromEntries(
    Object.entries(detail).map(([name, value]) => [
      name,
      typeof value === 'string' || typeof value === 'object'
        ? (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, LIMITS.claimedLength)
        : value,
    ]),
  )
