import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, type DenialTable, denials, joined } from '../../base/denial.ts'
import { isObject, type JsonObject, own } from '../../base/json.ts'
import { fail, ok, onceKnown } from '../../base/result.ts'
import type { AccessToken, Possession, ProofUse } from '../../model/token.ts'
import { bearer } from '../possession/bearer.ts'
import { dpop, dpopOfJwk } from '../possession/dpop.ts'
import type { Method, ProofFacts, ProofPorts, Shown } from '../possession/method.ts'
import { mtls } from '../possession/mtls.ts'

/** Methods of proof of possession, in the order of their challenges. A new method is one row. */
export const METHODS = [bearer, dpop, dpopOfJwk, mtls] as const

const deny = denials({
  confirmation_unsupported: [
    'invalidToken',
    'The token is bound to a key, and this gate cannot check the proof',
    'Ask for a token whose cnf has one member, jkt, jwk or x5t#S256, or for one without cnf',
  ],
  token_bound: [
    'proofRequired',
    'The token is bound to a key, and was sent as a bearer token',
    'Send Authorization: DPoP with the token, and a DPoP header with a proof',
  ],
  token_bound_elsewhere: [
    'proofRequired',
    'The token is bound to a key, and was sent in another header than Authorization',
    'Send the token in the Authorization header, with the proof of its key',
  ],
  token_not_bound: [
    'invalidToken',
    'The token was sent with DPoP, but is not bound to a DPoP key',
    'Send a token without a key as Authorization: Bearer, or get one that is bound to the key of the proof',
  ],
  possession_required: [
    'proofRequired',
    'Only tokens that are bound to a key are accepted here',
    'Get a token that is bound to a key (RFC 9449) or to a client certificate (RFC 8705), and send it with its proof',
  ],
})

type MethodCode<M> = M extends Method<Possession, infer Code> ? Code : never
type Code = CodeOf<typeof deny> | MethodCode<(typeof METHODS)[number]>
type Proven = Outcome<Proved, Code>

/** How the sender showed that the token is theirs; `proof` where the proof may be used once. */
export interface Proved {
  readonly possession: Possession
  readonly proof: ProofUse | undefined
  /** The nonce for the next proof, which the answer contains. */
  readonly nonce: string | undefined
}

type AnyMethod = Omit<Method<Possession, Code>, 'denials'>
/** {@link METHODS} with one type. */
export const methods: readonly AnyMethod[] = METHODS

/**
 * The Authorization scheme (RFC 9110 §11.1) in the spelling of METHODS; `undefined` for other schemes.
 * @example schemeOf('BEARER') // 'Bearer'
 */
export function schemeOf(written: string): string | undefined {
  const lower = written.toLowerCase()
  return methods.find(({ scheme }) => scheme.toLowerCase() === lower)?.scheme
}

/**
 * The method for a token, by the one member of its `cnf` and by its scheme; otherwise the code of the denial. Several
 * members are refused: a proof of one does not prove the others.
 */
const methodOf = ({
  credential,
  access,
  route,
}: Pick<ProofFacts, 'credential' | 'access' | 'route'>): AnyMethod | CodeOf<typeof deny> => {
  const { claims } = access
  const member = isBound(access) ? memberOf(own(claims, 'cnf')) : undefined
  if (credential.header !== undefined && member !== undefined) return 'token_bound_elsewhere'
  const ofMember = methods.filter((one) => one.member === member)
  if (ofMember.length === 0) return 'confirmation_unsupported'
  const isLax = access.entry.agentic?.has('bearer-proof') && credential.scheme === bearer.scheme
  const method = ofMember.find(({ scheme }) => scheme === credential.scheme || isLax)
  if (!method) return credential.scheme === bearer.scheme ? 'token_bound' : 'token_not_bound'
  const isRequired = (access.entry.possession ?? route.possession) === 'required'
  return isRequired && member === undefined ? 'possession_required' : method
}

/** Whether a token is bound to a key, of whatever kind. */
const isBound = ({ claims }: AccessToken): boolean => Object.hasOwn(claims, 'cnf')

const memberOf = (cnf: unknown): string => {
  const [member = '', ...others] = isObject(cnf) ? Object.keys(cnf) : []
  return others.length === 0 ? member : ''
}

/** Whether a request may have a proof that the rule accepts once. */
export function mayUseProof({ route, access }: Pick<ProofFacts, 'route' | 'access'>): boolean {
  return route.replay !== 'window' && isBound(access)
}

/**
 * Checks that the token belongs to its sender, by a method of METHODS. A token with `cnf` (RFC 7800 §3.1) is bound to a
 * key: without a method for it, it is refused. The stage `replay` records the use of the proof.
 */
export const possession = stage({
  name: 'possession',
  establishes:
    'the sender has proved possession of the key that the token is bound to, if it is bound to one',
  found: ({ possession, proof }) => ({ possession, jkt: proof?.jkt }),
  get denials(): readonly DenialTable<Code>[] {
    const tables: readonly DenialTable<never>[] = METHODS.flatMap((one) => one.denials)
    return [joined(deny, ...tables) as DenialTable<Code>]
  },
  without(facts: Pick<ProofFacts, 'credential' | 'access' | 'route'>) {
    const method = methodOf(facts)
    return typeof method === 'object' && !method.verify ? proved(method) : undefined
  },
  run(facts: ProofFacts, ports: ProofPorts): Proven | Promise<Proven> {
    const method = methodOf(facts)
    if (typeof method === 'string') return fail(deny(method))
    const { member = '', verify } = method
    if (!verify) return ok(proved(method))
    const confirmation = own(own(facts.access.claims, 'cnf') as JsonObject, member)
    return onceKnown(
      verify(confirmation, facts, ports),
      (outcome): Proven => (outcome.ok ? ok(proved(method, outcome.value)) : fail(outcome.reason)),
    )
  },
})

const proved = ({ name }: AnyMethod, { proof, nonce }: Shown = {}): Proved => ({
  possession: name,
  proof,
  nonce,
})
