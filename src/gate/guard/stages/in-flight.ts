import { type Admission, perAdmission } from '../../base/admission.ts'
import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import type { InFlight } from '../../base/in-flight.ts'
import { fail, ok } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { Revocations } from '../../model/ports.ts'
import { isCovered } from '../../model/revocation.ts'

const deny = denials({
  in_flight_exceeded: [
    'tooMany',
    'Too many requests of this agent are in progress',
    'Wait until some of them are answered, and send fewer at the same time',
  ],
})

type Keyed = Pick<LineFacts, 'policy' | 'route'>
interface Needs extends Keyed, Pick<LineFacts, 'agent' | 'access' | 'subjects'> {
  readonly admission: Admission
  /** Absent where the caller of the guard does not say when a request ends. */
  readonly counts?: InFlight | undefined
}

/** What the stage asks. */
export interface InFlightPorts {
  readonly clock: { now(): number }
  readonly revocations: Revocations
}

type Counted = Outcome<object, CodeOf<typeof deny>>

/**
 * Checks that the agent has fewer requests in progress than allowed, and counts this one. Where the agent has half as
 * many, requests with a token that is known as revoked are not counted: who has stolen it could keep the agent out. The
 * stage `revocation` refuses them.
 */
export const inFlight = stage({
  name: 'in_flight',
  establishes: 'the agent has fewer requests in progress in this isolate than `in_flight` says',
  // Requests to the gate's own endpoints are not counted.
  without: ({ route }: Keyed) => (route.endpoint ? {} : undefined),
  denials: [deny],
  run(needs: Needs, ports: InFlightPorts): Counted | Promise<Counted> {
    const { policy, route, admission, counts } = needs
    if (!counts || route.endpoint) return ok({})
    const most = route.inFlight ?? policy.gate.inFlight
    const owner = ownerFor(admission, needs)
    const count = () =>
      counts.enter(owner, most)
        ? ok({})
        : fail(deny('in_flight_exceeded', { in_flight: most }, { retryAfter: 1 }))
    if (counts.of(owner) < Math.floor(most / 2)) return count()
    return isKnownAsRevoked(needs, ports).then(
      (is) => (is ? ok({}) : count()),
      // The stage `revocation` refuses the request.
      count,
    )
  },
})

/** Whether the token is revoked by data at most as old as GATE allows. */
const isKnownAsRevoked = async (
  { policy, access: { issuedAt }, subjects }: Needs,
  { clock, revocations }: InFlightPorts,
): Promise<boolean> => {
  const { revocation, clockTolerance: tolerance, lift } = policy.gate
  const { maxStaleness } = revocation
  const entries = await revocations.lookup(subjects, { consistency: 'bounded', maxStaleness })
  const token = { issuedAt, now: Math.floor(clock.now() / 1000), tolerance }
  return entries.some((one) => !lift.has(one.id) && isCovered(one, token))
}

/** A rule with a number of its own counts its own requests; all other rules count together. */
const ownerFor = perAdmission(
  ({ route, agent: { issuer, id } }: Pick<Needs, 'route' | 'agent'>) =>
    JSON.stringify(
      route.inFlight === undefined ? [issuer, id] : [issuer, id, route.name, route.host],
    ),
  (text) => 2 * text.length,
)
