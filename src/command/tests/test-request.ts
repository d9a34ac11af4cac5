import { CompactSign, exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWK } from 'jose'
import { type RequestToExplain, toExplain } from '../../gate/answer/mcp-explain.ts'
import { base64UrlDecode, utf8Encode } from '../../gate/base/bytes.ts'
import { type JsonObject, own } from '../../gate/base/json.ts'
import { decodeJwsPart, splitJws } from '../../gate/base/jws.ts'
import { copyOf } from '../../gate/base/request.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { route as routeStage } from '../../gate/guard/stages/route.ts'
import { acceptedAudiences } from '../../gate/model/audience.ts'
import { type Algorithm, algorithmOf, type Issuer } from '../../gate/model/issuer.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { KeySource } from '../../gate/model/ports.ts'
import { longestLife, type Route, takesIssuer } from '../../gate/model/route.ts'
import { unknownName } from '../../gate/policy/reading/issues.ts'
import { claimedIssuer } from '../base/claimed-issuer.ts'
import { agenticClaims } from '../base/key-file.ts'
import { authorize, createProofKey, type ProofKey } from '../base/proof.ts'
import type { TestCase } from './test-file.ts'

/** The request of a case, as an agent sends it. */
export interface SentCase {
  readonly request: RequestToExplain['request']
  /** Its headers without those that an MCP client adds to its message. */
  readonly headers: Headers
  /** The time of the request, in seconds. */
  readonly at: number
}

/** Makes the requests of cases. */
export interface RequestMaker {
  /** A failure is a sentence. */
  request(test: TestCase): Promise<Result<SentCase, string>>
  /** Each key of this run counts as a key of whichever issuer is asked about. */
  readonly keys: KeySource
  /** The public keys that tokens of an issuer are signed with. */
  publicKeys(issuer: Issuer): Promise<readonly JWK[]>
}

/** Signs tokens with keys that are made for this run. `now` (seconds) is the time of cases that name none. */
export function createRequestMaker(policy: Policy, now: number): RequestMaker {
  const signer = createSigner()
  const boundTo = createProofKey()
  return {
    keys: signer,
    async publicKeys(issuer) {
      const keys = await signer.publicKeys(headerFor(issuer))
      // SPIFFE bundles say what a key is for (SPIFFE Trust Domain and Bundle §4.2.2).
      return keys.map((key) => ({ ...key, use: issuer.trustDomain ? 'jwt-svid' : 'sig' }))
    },
    async request(test) {
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
      return ok({ request, headers, at })
    },
  }
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
  const pairFor = (header: JsonObject) => pairOf(algorithmOf(own(header, 'alg')) ?? 'ES256')
  const sign = async (header: JsonObject, payload: Uint8Array): Promise<string | undefined> => {
    try {
      const { privateKey } = await pairFor(header)
      const signed = new CompactSign(payload).setProtectedHeader(header as { alg: string })
      return await signed.sign(privateKey)
    } catch {
      return undefined
    }
  }
  return {
    /** `undefined` if this Node cannot sign by the algorithm. */
    sign,
    /** The key that verifies tokens with this header; none if this Node cannot make it. */
    async publicKeys({ alg, kid }: JsonObject): Promise<readonly JWK[]> {
      try {
        const { publicKey } = await pairFor({ alg })
        return [{ ...(await exportJWK(publicKey)), alg, kid } as JWK]
      } catch {
        return []
      }
    },
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
