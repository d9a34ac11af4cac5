import { type Explanation, explain } from '../../gate/answer/explain.ts'
import { type JsonObject, parseJsonObject } from '../../gate/base/json.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { createRooms } from '../../gate/base/room.ts'
import { createGuard, type Guard } from '../../gate/guard/guard.ts'
import { type Approvals, ASKING_NOBODY } from '../../gate/model/approval.ts'
import { keySetOf, publicKeys } from '../../gate/model/key-set.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { KeySource } from '../../gate/model/ports.ts'
import type { Revocation, RevocationSubject } from '../../gate/model/revocation.ts'
import type { AskedRequest } from './explain-request.ts'
import { readText } from './files.ts'

/** What a decision depends on besides the policy and the request. */
export interface OfflineOptions {
  /** Public keys of the token's issuer, where the policy has none written in it. */
  readonly keys?: readonly JsonObject[] | undefined
  /** Seconds since the epoch. */
  readonly at: number
}

/** An explanation as JSON. */
export interface OfflineExplanation {
  readonly explanation: JsonObject
  /** Whether the issuer's keys are in the policy, so that no others count. */
  readonly inlineKeys: boolean
}

/** What to do here, where a denial's own hint is for a caller of a running gate. */
const HINTS: Readonly<Record<string, string>> = {
  decryption_unavailable:
    'The key that opens the token is a secret of the gate, which is not known here: ask the running gate with --gate URL, or explain the signed token that is inside',
  keys_unavailable:
    'Give the JWK set of the issuer with --jwks FILE (nothing is fetched here), or ask the running gate with --gate URL',
  session_unavailable:
    'Sessions and tasks are sealed with keys of the gate, which are not known here: leave Mcp-Session-Id out, or ask the running gate with --gate URL',
}

/**
 * Decides a request by the stages of a policy. Fetches nothing. It assumes that no token is revoked and that no
 * token or proof has been used.
 */
export async function explainOffline(
  policy: Policy,
  { method, url, token, headers: given, connection: told, mcp }: AskedRequest,
  { keys, at }: OfflineOptions,
): Promise<OfflineExplanation> {
  let inlineKeys = false
  const source: KeySource = {
    async find(issuer, header) {
      const { keys: own } = issuer
      inlineKeys = own.kind === 'inline'
      const here = own.kind === 'inline' ? publicKeys(own) : keys
      if (!here) return fail('unavailable')
      const found = await keySetOf(here, issuer).find(header)
      return typeof found === 'string' ? fail(found) : ok(found)
    },
  }
  const headers = new Headers(given)
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
  const { caller, connection } = told ?? {}
  const guard = offlineGuard(policy, source, at)
  const { explanation } = await explain(
    guard,
    { method, url, headers },
    { around: { caller, connection }, asked: mcp?.asked },
  )
  return { explanation: json(advised(explanation)), inlineKeys }
}

/**
 * The gate's stages for a policy, without its state: nothing is revoked, spent or remembered, every agent is
 * approved, and there are no keys of the gate. `at` is in seconds since the epoch. Calls that need an approval wait, unless
 * `approvals` says otherwise.
 */
export function offlineGuard(
  policy: Policy,
  keys: KeySource,
  at: number,
  approvals: Approvals = ASKING_NOBODY,
): Guard {
  const clock = { now: () => at * 1000 }
  return createGuard(policy, {
    clock,
    keys,
    tokens: { find: () => undefined, keep: () => {} },
    signingKeys: { signing: () => undefined },
    // Checked with keys of the gate, which this machine does not have.
    sessions: { seal: noSession, open: noSession },
    nonces: { issue: async () => 'example', check: async () => ({ isGood: true }) },
    revocations: { lookup: async (subjects) => subjects.flatMap(approved) },
    limits: { take: () => ok({}), takeAddress: () => ok({}) },
    bodies: createRooms(clock),
    replays: { claim: () => true, isClaimed: () => false },
    approvals,
    onError: () => {},
  })
}

const approved = (subject: RevocationSubject): readonly Revocation[] =>
  subject.kind === 'agent'
    ? [{ ...subject, id: '', mode: 'approved', created: 0, createdBy: '' }]
    : []

const noSession = () => Promise.reject(new Error('the keys of the gate are not known here'))

const advised = (explanation: Explanation): Explanation => {
  const { denial, steps } = explanation
  const hint = denial && Object.hasOwn(HINTS, denial.code) ? HINTS[denial.code] : undefined
  if (!denial || hint === undefined) return explanation
  return {
    ...explanation,
    denial: { ...denial, hint },
    steps: steps.map((step) =>
      step.outcome === 'denied' ? { ...step, detail: { ...step.detail, hint } } : step,
    ),
  }
}

const json = (explanation: Explanation): JsonObject => JSON.parse(JSON.stringify(explanation))

/** The public keys of a JWK set in a file; the reason of a failure is a sentence for people. */
export async function readKeySet(path: string): Promise<Result<readonly JsonObject[], string>> {
  const text = await readText(path)
  if (!text.ok) return text
  const keys = publicKeys(parseJsonObject(text.value))
  if (!keys) return fail(`${path} is not a JWK set: { "keys": [ … ] } as an issuer publishes it`)
  return keys.length > 0 ? ok(keys) : fail(`${path} contains no public key`)
}
