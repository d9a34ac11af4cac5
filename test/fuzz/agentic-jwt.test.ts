import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { policy } from '../gate/policy/support.ts'
import { NOW } from '../kit/facts.ts'
import { startLine } from '../kit/line.ts'
import { tries } from '../kit/property.ts'
import { keys, minted, PAIR } from '../line-cases.ts'

/** Random tokens of Agentic JWT, and what a reading of the draft by other code makes of each. */

const FORMS = ['bare-checksum', 'jkt', 'repeated-agent'] as const
const AGENTS = ['planner', 'worker', 'wörker']
const STEPS = ['step-1', 'step-2', 'step-3']
const hashOf = (ids: readonly string[]) =>
  createHash('sha256').update(ids.join('|')).digest('hex').slice(0, 16)
const JWK = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
const JKT = 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'

/** Mostly one of these, and now and then something else. */
const mostly = <T>(...values: readonly T[]): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 24, arbitrary: fc.constantFrom(...values) },
    { weight: 1, arbitrary: fc.constantFrom(undefined, null, '', 'a|b', 'a\0', 7, [], {}) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 1 }) },
  )
const chainOf = (ids: readonly string[]) =>
  ids.flatMap((_, i) => [
    hashOf(ids.slice(0, i + 1)),
    hashOf([...ids.slice(0, i + 1), `${ids[i]}`]),
  ])
const [agent, step] = [fc.constantFrom(...AGENTS), mostly(...STEPS)]

const tokens = agent.chain((sub) =>
  fc.record({
    header: fc.constantFrom({}, {}, {}, { kid: undefined }),
    claims: fc.record({
      sub: fc.constant(sub),
      // What is no list of scopes is refused before.
      scope: fc.constantFrom<unknown>('a', 'a', 'a', 'a b', 'a b', '', [], undefined),
      cnf: mostly<unknown>({ jwk: JWK }, { jwk: JWK }, { jwk: JWK }, { jkt: JKT }),
      workflow_id: fc.constant(undefined),
      intent: mostly<unknown>('').chain((other) =>
        other === ''
          ? fc.record({
              workflow_id: mostly('w'),
              workflow_step: step,
              executed_by: mostly(sub, sub, sub, 'planner'),
              delegation_chain: mostly(...chainOf(AGENTS), hashOf([sub]).toUpperCase()),
              step_sequence_hash: mostly(...chainOf(STEPS)),
            })
          : fc.constant(other),
      ),
      agent_proof: mostly<unknown>('').chain((other) =>
        other === ''
          ? fc.record({
              agent_checksum: mostly(`sha256:${'a'.repeat(64)}`, 'b'.repeat(64)),
              registration_id: mostly(`reg_${sub}_17`, `reg_${sub}_17`, 'reg_planner_17'),
            })
          : fc.constant(other),
      ),
    }),
  }),
)
const rules = fc.record(
  {
    steps: fc.constantFrom(['step-1'], ['step-2', 'step-3']),
    delegation_chains: fc.constantFrom([AGENTS], [AGENTS.slice(0, 2)], [hashOf(AGENTS)]),
    step_sequences: fc.constantFrom([STEPS], [STEPS.slice(0, 2), hashOf(STEPS)]),
  },
  { requiredKeys: [] },
)

interface Read {
  readonly header: { readonly kid?: undefined }
  readonly claims: Readonly<Record<string, unknown>>
}
interface Rule {
  readonly steps?: readonly string[]
  readonly delegation_chains?: readonly (string | readonly string[])[]
  readonly step_sequences?: readonly (string | readonly string[])[]
}

/** The oracle: the draft's table of claims, row by row; `token_bound` is where no proof was sent. */
const judge = ({ header, claims }: Read, forms: readonly string[], rule: Rule): string => {
  const part = (name: string): Record<string, unknown> =>
    Object.prototype.toString.call(claims[name]) === '[object Object]'
      ? (claims[name] as Record<string, unknown>)
      : {}
  const { workflow_id: flow, workflow_step: step, executed_by: by, ...hashes } = part('intent')
  const { agent_checksum: sum, registration_id: registration } = part('agent_proof')
  const id = (one: unknown) => typeof one === 'string' && /^[^|\p{Cc}]{1,512}$/u.test(one)
  const hex = (one: unknown) =>
    typeof one === 'string' && one.length === 16 && !/[^0-9a-f]/.test(one)
  if ('kid' in header) return 'key_id_missing'
  if (!id(by)) return 'intent_malformed'
  if (!((id(flow) && id(step)) || (flow === undefined && step === undefined)))
    return 'intent_malformed'
  if (by !== claims.sub) return 'executed_by_mismatch'
  if (!hex(hashes.delegation_chain)) return 'delegation_chain_malformed'
  if (!hex(hashes.step_sequence_hash)) return 'step_sequence_malformed'
  if (registration !== `reg_${claims.sub}_17`) return 'agent_proof_malformed'
  const isBare = sum === 'b'.repeat(64) && forms.includes('bare-checksum')
  if (!isBare && sum !== `sha256:${'a'.repeat(64)}`) return 'agent_checksum_malformed'
  if (typeof claims.scope !== 'string' || claims.scope === '') return 'scope_empty'
  const { jwk, jkt } = part('cnf')
  if (jwk !== JWK && !(jkt === JKT && forms.includes('jkt'))) return 'confirmation_malformed'
  if (rule.steps && !rule.steps.includes(String(step))) return 'step_not_allowed'
  const expects = (list: readonly (string | readonly string[])[], hash: unknown, last: unknown) =>
    list.some((one) => {
      if (typeof one === 'string') return one === hash
      const twice = forms.includes('repeated-agent') && hashOf([...one, String(last)]) === hash
      return one[one.length - 1] === last && (twice || hashOf(one) === hash)
    })
  if (rule.delegation_chains && !expects(rule.delegation_chains, hashes.delegation_chain, by))
    return 'delegation_chain_mismatch'
  if (rule.step_sequences && !expects(rule.step_sequences, hashes.step_sequence_hash, step))
    return 'step_sequence_mismatch'
  return 'token_bound'
}

it('each token is refused as the oracle says', async () => {
  const line = startLine({ keys })
  const seen = new Set<string>()
  const property = fc.asyncProperty(tokens, fc.subarray([...FORMS]), rules, async (...given) => {
    const [token, forms, rule] = given as [Read, string[], Rule]
    const entry = { issuer: 'https://auth.example.com', profile: 'agentic-jwt' }
    const read = policy({
      ISSUERS: { acme: { ...entry, ...(forms.length > 0 && { agentic_forms: forms }) } },
      ROUTES: [{ match: 'GET /x', scopes: [], ...rule }],
    })
    const times = { iat: NOW - 60, exp: NOW + 240 }
    const text = minted({ ...times, ...token.claims }, PAIR.privateKey, token.header)
    const { code } = await line.ask(read, '/x', text)
    const expected = judge(token, forms, rule)
    seen.add(expected)
    expect(code).toBe(expected)
  })
  await fc.assert(property, tries(50))
  expect(line.errors).toEqual([])
  expect(seen.size).toBeGreaterThan(5)
})
