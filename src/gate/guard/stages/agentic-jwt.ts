import { calculateJwkThumbprint } from 'jose'
import { sha256 } from '../../base/bytes.ts'
import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { isObject, type JsonObject, objectOf, own } from '../../base/json.ts'
import { perObject } from '../../base/memo.ts'
import { fail, ok } from '../../base/result.ts'
import { isIdentityText } from '../../base/text.ts'
import { firstPresent } from '../../model/claims.ts'
import type { LineFacts } from '../../model/facts.ts'
import { publicKeyOf } from '../../model/jwk.ts'
import type { ExpectedChain } from '../../model/route.ts'
import type { Intent } from '../../model/token.ts'
import { BOUND } from '../possession/dpop.ts'

const must = 'The authorization server must follow Agentic JWT'

const deny = denials({
  key_id_missing: [
    'invalidToken',
    'The token does not name the key that it is signed with',
    `${must} (§6.5.3): kid in the header`,
  ],
  intent_malformed: [
    'invalidToken',
    'The intent of the token is missing or not well formed',
    `${must} (§4.4.2): intent with executed_by, and workflow_id and workflow_step both or neither, as text without |`,
  ],
  executed_by_mismatch: [
    'invalidToken',
    "The token's executed_by is not its subject",
    `${must} (§4.4.2): executed_by that equals sub`,
  ],
  delegation_chain_malformed: [
    'invalidToken',
    'The delegation_chain of the token is not a hash',
    `${must} (§4.4.4): delegation_chain of 16 lower-case hex digits`,
  ],
  step_sequence_malformed: [
    'invalidToken',
    'The step_sequence_hash of the token is not a hash',
    `${must} (§4.4.4): step_sequence_hash of 16 lower-case hex digits`,
  ],
  agent_proof_malformed: [
    'invalidToken',
    'The agent_proof of the token is missing, or has no registration of this agent',
    `${must} (§4.4.2): registration_id that is reg_, the sub, _ and a time in seconds`,
  ],
  agent_checksum_malformed: [
    'invalidToken',
    'The agent_checksum of the token is not well formed',
    `${must} (§9.1.1): agent_checksum that is sha256: and 64 lower-case hex digits`,
  ],
  scope_empty: ['invalidToken', 'The token has no scope', `${must} (§4.4.2): scope`],
  confirmation_malformed: [
    'invalidToken',
    "The token does not have the agent's public key",
    `${must} (§4.4.2): cnf.jwk that is one public key of P-256, Ed25519, or RSA of 2048 bits`,
  ],
  step_not_allowed: [
    'forbidden',
    'Tokens of this workflow step may not use this route',
    'Get a token for a step that may use this route, or ask the operator',
  ],
  delegation_chain_mismatch: [
    'forbidden',
    "The token's chain of agents is not what this route expects",
    'Get a token through the chain of agents that the operator expects here',
  ],
  step_sequence_mismatch: [
    'forbidden',
    "The token's completed steps are not those that this route expects",
    'Complete the steps that the operator expects before this one',
  ],
})

type Code = CodeOf<typeof deny>
type Needs = Pick<LineFacts, 'route' | 'access' | 'credential'>

interface Judged extends Pick<Needs, 'access' | 'credential'> {
  readonly intent: JsonObject
  readonly proof: JsonObject
  readonly forms: ReadonlySet<string>
}

type Check = readonly [code: Code, holds: (judged: Judged) => boolean]

const HASH = /^[0-9a-f]{16}$/
const matches = (pattern: RegExp, value: unknown) =>
  typeof value === 'string' && pattern.test(value)

/** An id that chains can be made of: `|` separates them. */
const isId = (value: unknown): value is string => isIdentityText(value) && !value.includes('|')

/** The checks of every token of the profile, in order (Agentic JWT §4.4.2, §6.5.3, §9.1.1). */
const CHECKS: readonly Check[] = [
  ['key_id_missing', ({ credential }) => credential.kid !== undefined],
  [
    'intent_malformed',
    ({ access, intent }) => {
      const [by, ...steps] = ['executed_by', 'workflow_id', 'workflow_step'].map((name) =>
        own(intent, name),
      )
      // A workflow claim outside the intent must be in the intent too.
      const absent = [...steps, own(access.claims, 'workflow_id')]
      return isId(by) && (steps.every(isId) || absent.every((one) => one === undefined))
    },
  ],
  ['executed_by_mismatch', ({ access, intent }) => own(intent, 'executed_by') === access.subject],
  ['delegation_chain_malformed', ({ intent }) => matches(HASH, own(intent, 'delegation_chain'))],
  ['step_sequence_malformed', ({ intent }) => matches(HASH, own(intent, 'step_sequence_hash'))],
  [
    'agent_proof_malformed',
    ({ access, proof }) => {
      const [id, start] = [own(proof, 'registration_id'), `reg_${access.subject}_`]
      return (
        typeof id === 'string' && id.startsWith(start) && /^\d{1,15}$/.test(id.slice(start.length))
      )
    },
  ],
  [
    'agent_checksum_malformed',
    ({ proof, forms }) =>
      matches(
        forms.has('bare-checksum') ? /^(?:sha256:)?[0-9a-f]{64}$/ : /^sha256:[0-9a-f]{64}$/,
        own(proof, 'agent_checksum'),
      ),
  ],
  [
    'scope_empty',
    ({ access: { claims, entry } }) =>
      [firstPresent(claims, entry.scope)].flat().some((one) => matches(/\S/, one)),
  ],
  [
    'confirmation_malformed',
    ({ access, forms }) => isConfirmation(own(access.claims, 'cnf'), forms),
  ],
]

const isConfirmation = (cnf: unknown, forms: Judged['forms']): boolean => {
  const [jwk, jkt] = isObject(cnf) ? [own(cnf, 'jwk'), own(cnf, 'jkt')] : []
  return jwk === undefined && forms.has('jkt')
    ? matches(/^[\w-]{43}$/, jkt)
    : isObject(jwk) && publicKeyOf(jwk, BOUND) !== undefined
}

type Checked = Outcome<{ readonly intent: Intent }, Code>

const NOTHING: { readonly intent: Intent } = { intent: {} }
const NO_FORMS: ReadonlySet<string> = new Set()

/**
 * Checks a token of profile `agentic-jwt`, and what the rule expects of its workflow step. A token of another profile
 * has no step and no chain: a rule that expects a step or a chain denies such a token. A hash is compared with those
 * that the rule states; it cannot be read, and proves no order by itself. Checksums are not computed.
 */
export const agenticJwt = stage({
  name: 'agentic_jwt',
  establishes:
    'an Agentic JWT has all its claims, and they agree; its step and hashes are those that the rule expects',
  found: ({ intent }) => ({ ...intent }),
  denials: [deny],
  run(needs: Needs): Checked | Promise<Checked> {
    const { access, route } = needs
    const isAsked = route.steps ?? route.delegationChains ?? route.stepSequences
    return access.entry.agentic || isAsked ? check(needs) : ok(NOTHING)
  },
})

const check = async ({ access, credential, route }: Needs): Promise<Checked> => {
  const { claims, entry, subject } = access
  const { agentic, agentic: forms = NO_FORMS } = entry
  const said = objectOf(agentic && own(claims, 'intent'))
  const proof = objectOf(agentic && own(claims, 'agent_proof'))
  const judged = { access, credential, intent: said, proof, forms }
  const broken = agentic && CHECKS.find(([, holds]) => !holds(judged))
  if (broken) return fail(deny(broken[0]))
  const { workflow_step: step, delegation_chain: chain, step_sequence_hash: sequence } = said
  if (route.steps && !(typeof step === 'string' && route.steps.has(step))) {
    return fail(deny('step_not_allowed', { step }))
  }
  const agents = await reading(route.delegationChains, chain, subject, forms)
  if (!agents) return fail(deny('delegation_chain_mismatch', { delegation_chain: chain }))
  const steps = await reading(route.stepSequences, sequence, step, forms)
  if (!steps) return fail(deny('step_sequence_mismatch', { step_sequence_hash: sequence }))
  if (!agentic) return ok(NOTHING)
  const { jwk, jkt } = objectOf(own(claims, 'cnf'))
  const key = isObject(jwk) ? publicKeyOf(jwk, BOUND) : undefined
  const intent: Intent = {
    checksum: String(own(proof, 'agent_checksum')).replace(/^(?=[^:]*$)/, 'sha256:'),
    registration: String(own(proof, 'registration_id')),
    jkt: key ? await calculateJwkThumbprint(key.jwk) : String(jkt),
    agents,
    steps,
  }
  return ok({ intent })
}

/**
 * How a token's hash matches an expected one; `undefined` if it matches none. A list of ids counts only if its last id
 * is the token's own. With form `repeated-agent` the hash may have that id twice, since the draft can be read in both
 * ways.
 */
const reading = async (
  expected: readonly ExpectedChain[] | undefined,
  hash: unknown,
  current: unknown,
  forms: Judged['forms'],
): Promise<Intent['agents']> => {
  if (!expected) return 'any'
  for (const one of expected) {
    if (one === hash) return 'stated'
    if (typeof one === 'string' || one.at(-1) !== current) continue
    const [plain, repeated] = await hashesOf(one)
    if (plain === hash) return 'stated'
    if (forms.has('repeated-agent') && repeated === hash) return 'repeated'
  }
  return undefined
}

/** The hash of ids (§4.4.4), and the hash of the same ids with the last one repeated. */
const hashesOf = perObject((ids: readonly string[]) =>
  Promise.all([chainHash(ids), chainHash([...ids, ...ids.slice(-1)])]),
)

/**
 * The first 64 bits of SHA-256 over the ids with `|` between, in hex (§4.4.4).
 * @example await chainHash(['planner', 'agent-42']) // '47b6d139b45ee93d'
 */
export async function chainHash(ids: readonly string[]): Promise<string> {
  const digest = await sha256(ids.join('|'))
  return [...digest.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
