import { type Outcome, stage } from '../chain.ts'
import { type CodeOf, type DenialTable, denials, joined } from '../denial.ts'
import { isObject, type JsonObject, own } from '../json.ts'
import type { Possession } from '../model/token.ts'
import { fail, ok, onceKnown } from '../result.ts'
import { bearer } from './possession/bearer.ts'
import type { Method, ProofFacts, ProofPorts } from './possession/method.ts'

/** Methods of proof of possession, in the order of their challenges. A new method is one row. */
export const METHODS = [bearer] as const

const deny = denials({
  confirmation_unsupported: [
    'invalidToken',
    'The token is bound to a key, and this gate cannot check the proof',
    'Ask for a token that is not sender-constrained, without cnf',
  ],
})

type MethodCode<M> = M extends Method<Possession, infer Code> ? Code : never
type Code = CodeOf<typeof deny> | MethodCode<(typeof METHODS)[number]>
type Proven = Outcome<{ readonly possession: Possession }, Code>

const methods: readonly Omit<Method<Possession, Code>, 'denials'>[] = METHODS

/** The Authorization scheme (RFC 9110 §11.1) in the spelling of METHODS; `undefined` for other schemes. */
export function schemeOf(written: string): string | undefined {
  const lower = written.toLowerCase()
  return methods.find(({ scheme }) => scheme.toLowerCase() === lower)?.scheme
}

/**
 * The method for a token: by its scheme and by the one member of its `cnf`. `undefined` where no method has both, or
 * where `cnf` has several members: a proof of one does not prove the others.
 */
const methodOf = ({ credential, access }: Pick<ProofFacts, 'credential' | 'access'>) => {
  const { claims } = access
  const member = Object.hasOwn(claims, 'cnf') ? memberOf(own(claims, 'cnf')) : undefined
  return member === UNKNOWN
    ? undefined
    : methods.find((one) => one.scheme === credential.scheme && one.member === member)
}

const UNKNOWN = Symbol('unknown')

const memberOf = (cnf: unknown): string | typeof UNKNOWN => {
  const [member = UNKNOWN, ...others] = isObject(cnf) ? Object.keys(cnf) : []
  return others.length === 0 ? member : UNKNOWN
}

/**
 * Checks that the token belongs to its sender, by a method of METHODS. A token with `cnf` (RFC 7800 §3.1) is bound to a
 * key: without a method for it, the token is refused and never accepted as a bearer token.
 */
export const possession = stage({
  name: 'possession',
  establishes: 'the sender has shown that the token is theirs, where the token asks for a proof',
  found: ({ possession }) => ({ possession }),
  get denials(): readonly DenialTable<Code>[] {
    const tables: readonly DenialTable<never>[] = METHODS.flatMap((one) => one.denials)
    return [joined(deny, ...tables) as DenialTable<Code>]
  },
  without(facts: Pick<ProofFacts, 'credential' | 'access'>) {
    const method = methodOf(facts)
    return method && !method.verify ? { possession: method.name } : undefined
  },
  run(facts: ProofFacts, ports: ProofPorts): Proven | Promise<Proven> {
    const method = methodOf(facts)
    if (!method) return fail(deny('confirmation_unsupported'))
    const { name, member = '', verify } = method
    const proven = ok({ possession: name })
    if (!verify) return proven
    const confirmation = own(own(facts.access.claims, 'cnf') as JsonObject, member)
    return onceKnown(verify(confirmation, facts, ports), (outcome) =>
      outcome.ok ? proven : outcome,
    )
  },
})
