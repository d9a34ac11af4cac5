import { CompactSign, type GenerateKeyPairResult, generateKeyPair } from 'jose'
import { toExplain } from '../../gate/answer/mcp-explain.ts'
import { base64UrlDecode, utf8Encode } from '../../gate/base/bytes.ts'
import type { Step } from '../../gate/base/chain.ts'
import { isObject, type JsonObject, listOf, own } from '../../gate/base/json.ts'
import { decodeJwsPart, splitJws } from '../../gate/base/jws.ts'
import { copyOf } from '../../gate/base/request.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { foldedName } from '../../gate/base/text.ts'
import { type Decision, refusalOf } from '../../gate/guard/guard.ts'
import { route as routeStage } from '../../gate/guard/stages/route.ts'
import { acceptedAudiences } from '../../gate/model/audience.ts'
import { type Algorithm, algorithmOf, type Issuer } from '../../gate/model/issuer.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { KeySource } from '../../gate/model/ports.ts'
import { longestLife, type Route, takesIssuer } from '../../gate/model/route.ts'
import { unknownName } from '../../gate/policy/reading/issues.ts'
import { originHeaders } from '../../gate/relay/origin-headers.ts'
import { claimedIssuer } from '../base/claimed-issuer.ts'
import { offlineGuard } from '../base/explain-offline.ts'
import { agenticClaims } from '../base/key-file.ts'
import { authorize, createProofKey, type ProofKey } from '../base/proof.ts'
import type { Expected, TestCase } from './test-file.ts'

/** The decision on a case, and where it is not as expected. */
export interface Verdict extends Expected {
  readonly decision: NonNullable<Expected['decision']>
  /** What a denial says beside its code. */
  readonly detail?: JsonObject
  readonly failures: readonly string[]
  /** What the request reached: its rule, and what it used of an MCP server behind the rule. */
  readonly reached: ReadonlySet<object>
  /** The part of the result that a snapshot contains. */
  readonly snapshot: Expected
}

/** Replaces a value that is only known while a request is served, and the caller's credential. */
const placeholder = (name: string) => `\${${name}}`

/** Decides cases by the stages of a policy. A token is signed with a key that is made for this run. */
export function createJudge(
  policy: Policy,
  now: number,
): (test: TestCase) => Promise<Result<Verdict, string>> {
  const signer = createSigner()
  const boundTo = createProofKey()
  return async (test) => {
    const rule = ruleOf(policy, test)
    const issuer = issuerOf(policy, test, rule)
    if (!issuer.ok) return issuer
    const issuedAt =
      test.token === undefined ? own(test.claims ?? {}, 'iat') : issuedAtOf(test.token)
    const at = test.at ?? (typeof issuedAt === 'number' ? issuedAt : now)
    const key = test.bound ? await boundTo : undefined
    const claims = test.claims && completed(test, issuer.value, rule, at, key)
    const header = headerFor(issuer.value)
    const sent =
      test.token === undefined
        ? claims && (await signer.sign(header, utf8Encode(JSON.stringify(claims))))
        : await signer.resign(test.token)
    if (claims && !sent) return fail(`this version of Node cannot sign by ${own(header, 'alg')}`)
    const headers = copyOf(test.request.headers)
    const head = { ...test.request, headers }
    const { method, url } = head
    const proof = { method, url: new URL(url), nonce: 'example', now: at }
    if (sent !== undefined) await authorize(headers, key, { ...proof, token: sent })
    const request =
      test.body === undefined
        ? toExplain(policy, head, test.asked).request
        : { method, url, headers, body: new Blob([test.body]).stream() }
    const steps: Step[] = []
    const guard = offlineGuard(policy, signer, at)
    const trace = (step: Step) => void steps.push(step)
    const decision = await guard(request, { ...test.around, trace })
    if (headers.has('authorization')) headers.set('authorization', placeholder('token'))
    return ok(verdictOf(test, decision, { head, policy, steps }))
  }
}

/** What a case was decided with. */
interface Seen {
  readonly head: Pick<Request, 'method' | 'headers'>
  readonly policy: Policy
  readonly steps: readonly Step[]
}

const verdictOf = (test: TestCase, decision: Decision, given: Seen): Verdict => {
  const { route, uses = [] } = decision.known
  const denial = decision.outcome === 'denied' ? decision.denial : undefined
  const word = denial ? (refusalOf(decision) ? 'denied' : 'would_deny') : 'allowed'
  const forwarded = word === 'denied' ? undefined : forwardedHeaders(test, decision, given)
  const found = {
    decision: word,
    ...(denial && { code: denial.code }),
    ...(route && { rule: route.name }),
  } as const
  const detail = denial?.detail && { ...denial.detail, ...faultOf(given.steps) }
  const told = Object.fromEntries(
    [...(forwarded ?? [])].filter(([name]) => isShown(name, given.policy, test)),
  )
  return {
    ...found,
    ...(detail && { detail }),
    ...(forwarded && { headers: told }),
    failures: failuresOf(test.expect ?? {}, found, detail, forwarded),
    reached: new Set<object>([...(route ? [route] : []), ...uses.map(({ use }) => use)]),
    snapshot: snapshotOf(test.expect, found, told, forwarded),
  }
}

/** What is reported of the first operand of a condition that has no value. */
const faultOf = (steps: readonly Step[]): JsonObject => {
  const operands = listOf(steps.at(-1)?.detail.operands).filter(isObject)
  const error = operands.flatMap((one) => own(one, 'error') ?? [])[0]
  return error === undefined ? {} : { error }
}

/** What is written into `expect`: everything, or only the expectations that differ. */
const snapshotOf = (
  expect: Expected | undefined,
  found: Expected,
  told: object,
  forwarded: Headers | undefined,
): Expected => {
  const { decision, code, rule } = found
  const chosen = Object.entries(expect?.headers ?? {}).map(([name, value]) => {
    const is = forwarded?.get(name)
    return [name, typeof value === 'string' ? (is ?? false) : typeof is === 'string']
  })
  const headers = expect ? Object.fromEntries(chosen) : told
  return {
    decision,
    ...(code !== undefined && { code }),
    ...(rule !== undefined && (!expect || expect.rule !== undefined) && { rule }),
    ...(forwarded && Object.keys(headers).length > 0 && { headers }),
  } as Expected
}

const failuresOf = (
  expect: Expected,
  found: Expected,
  detail: JsonObject | undefined,
  forwarded: Headers | undefined,
): readonly string[] => {
  const { code, rule } = found
  const is = [
    `it is ${found.decision}${code === undefined ? '' : `: ${code}`}`,
    detail ? ` ${JSON.stringify(detail)}` : '',
    rule === undefined ? '' : `, by the rule ${JSON.stringify(rule)}`,
  ].join('')
  const broken = (['decision', 'code', 'rule'] as const).find(
    (name) => expect[name] !== undefined && expect[name] !== found[name],
  )
  if (broken) return [`${broken} is to be ${JSON.stringify(expect[broken])}, but ${is}`]
  const headers = Object.entries(expect.headers ?? {})
  if (headers.length > 0 && !forwarded) return [`headers are to be forwarded, but ${is}`]
  return headers.flatMap(([name, value]) => {
    const got = forwarded?.get(name) ?? undefined
    if (typeof value === 'string' ? got === value : (got !== undefined) === value) return []
    const wanted = typeof value === 'string' ? JSON.stringify(value) : value ? 'there' : 'absent'
    return [
      `header ${name} is to be ${wanted}, but is ${got === undefined ? 'absent' : JSON.stringify(got)}`,
    ]
  })
}

/** What the origin is sent; secrets by the templates that name them. */
const forwardedHeaders = (
  test: TestCase,
  decision: Decision,
  { head, policy }: Seen,
): Headers | undefined => {
  const { route, address, isPreflight } = decision.known
  if (!route || !address || route.endpoint || (isPreflight && decision.outcome === 'ended')) {
    return undefined
  }
  const inject = route.inject.map(([name, value, template = value]) => [name, template] as const)
  return originHeaders(head, policy.gate.assertion && placeholder('assertion'), {
    policy,
    route: { ...route, inject },
    address,
    decision,
    requestId: placeholder('request_id'),
    clientIp: test.around.caller,
  })
}

/** Whether a header says who calls, or is one that a rule sets, and is the same in each run. */
const isShown = (name: string, { gate }: Policy, { at, token }: TestCase): boolean => {
  const folded = foldedName(name)
  const isFixed = at !== undefined || token !== undefined
  return folded === `${gate.identityPrefix}token-expires`
    ? isFixed
    : folded.startsWith(gate.identityPrefix) || gate.ownHeaders.has(folded)
}

/** The rule that matches a request, even if a later stage refuses the request. */
const ruleOf = (policy: Policy, { request }: TestCase): Route | undefined => {
  const found = routeStage.run({ request, policy }, undefined)
  return 'value' in found ? found.value?.route : undefined
}

/** The issuer whose token is made: none where the claims name one that the policy does not have. */
const issuerOf = (
  { issuers }: Policy,
  { issuer: name, claims = {} }: TestCase,
  rule: Route | undefined,
): Result<Issuer | undefined, string> => {
  const all = [...issuers.values()]
  const claimed = claimedIssuer({ issuers }, claims)
  if (name === undefined && (claimed || typeof own(claims, 'iss') === 'string')) return ok(claimed)
  if (name === undefined) return ok(all.find(({ issuer }) => !rule || takesIssuer(rule, issuer)))
  const found = all.find((one) => one.name === name)
  const names = all.map((one) => one.name)
  return found ? ok(found) : fail(unknownName('issuer', name, names))
}

/** The claims of a case. Claims that are missing get values that the rule accepts. */
const completed = (
  { claims, without }: TestCase,
  issuer: Issuer | undefined,
  rule: Route | undefined,
  at: number,
  key: ProofKey | undefined,
): JsonObject => {
  const [audience = rule?.resource] = issuer && rule ? acceptedAudiences(issuer, rule) : []
  const now = Math.floor(at)
  const iat = own(claims ?? {}, 'iat') ?? now
  const longest = issuer ? longestLife(issuer, rule ?? {}) : 60
  const all = {
    ...(issuer?.trustDomain
      ? { sub: `${issuer.issuer}/example` }
      : { iss: issuer?.issuer, sub: 'example' }),
    client_id: 'example',
    [issuer?.audienceClaim ?? 'aud']: audience,
    jti: 'example',
    cnf: key && (issuer?.agentic ? { jwk: key.publicJwk } : { jkt: key.jkt }),
    iat,
    exp: Math.min(now + 60, Number(iat) + longest),
    ...(issuer?.agentic ? agenticClaims({ ...claims }) : claims),
  }
  return Object.fromEntries(Object.entries(all).filter(([name]) => !without.includes(name)))
}

const issuedAtOf = (token: string): unknown => {
  const parts = splitJws(token)
  return own((parts && decodeJwsPart(parts.payload)) ?? {}, 'iat')
}

/** The header of a token as its issuer's entry takes it. */
const headerFor = (issuer: Issuer | undefined): JsonObject => {
  const { algorithms = ['ES256'], types = new Set(['at+jwt']) } = issuer ?? {}
  // Not every runtime can sign with the newest algorithms.
  const alg = algorithms.find((one) => !one.startsWith('ML-')) ?? algorithms[0]
  const typ = types.has('at+jwt') ? 'at+jwt' : [...types].find((one) => one !== 'absent')
  return { alg, kid: 'test', ...(typ !== undefined && { typ }) }
}

/**
 * Signs by any algorithm, and is the source of all keys: each key counts as a key of whichever issuer is asked about.
 */
const createSigner = () => {
  const pairs = new Map<Algorithm, Promise<GenerateKeyPairResult>>()
  const pairOf = (algorithm: Algorithm): Promise<GenerateKeyPairResult> => {
    const pair = pairs.get(algorithm) ?? generateKeyPair(algorithm)
    pairs.set(algorithm, pair)
    return pair
  }
  const sign = async (header: JsonObject, payload: Uint8Array): Promise<string | undefined> => {
    try {
      const { privateKey } = await pairOf(algorithmOf(own(header, 'alg')) ?? 'ES256')
      const signed = new CompactSign(payload).setProtectedHeader(header as { alg: string })
      return await signed.sign(privateKey)
    } catch {
      return undefined
    }
  }
  return {
    /** `undefined` if this Node cannot sign by the algorithm. */
    sign,
    /** The token as if its issuer had signed it. A token that is refused before its signature is checked is unchanged. */
    async resign(token: string): Promise<string> {
      const parts = splitJws(token)
      const header = parts && decodeJwsPart(parts.header)
      const payload = parts && base64UrlDecode(parts.payload)
      if (!header || !payload || !algorithmOf(own(header, 'alg'))) return token
      return (await sign(header, payload)) ?? token
    },
    async find(_, { algorithm, kid }) {
      const { publicKey } = await pairOf(algorithm)
      return ok({ key: publicKey, ...(kid !== undefined && { kid }) })
    },
  } satisfies KeySource & Record<string, unknown>
}
