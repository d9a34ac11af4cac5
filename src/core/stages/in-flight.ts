import { type Admission, perAdmission } from '../admission.ts'
import { type Outcome, stage } from '../chain.ts'
import { type CodeOf, denials } from '../denial.ts'
import type { InFlight } from '../in-flight.ts'
import type { LineFacts } from '../model/facts.ts'
import { fail, ok } from '../result.ts'

const deny = denials({
  in_flight_exceeded: [
    'tooMany',
    'Too many requests of this agent are in progress',
    'Wait until some of them are answered, and send fewer at the same time',
  ],
})

type Keyed = Pick<LineFacts, 'policy' | 'route'>
interface Needs extends Keyed, Pick<LineFacts, 'agent'> {
  readonly admission: Admission
  /** Absent where the caller of the guard does not say when a request ends. */
  readonly enter?: InFlight['enter'] | undefined
}

/** Checks that the agent has fewer requests in progress than allowed, and counts this one. */
export const inFlight = stage({
  name: 'in_flight',
  establishes: 'the agent has fewer requests in progress in this isolate than `in_flight` says',
  // Requests to the gate's own endpoints are not counted.
  without: ({ route }: Keyed) => (route.endpoint ? {} : undefined),
  denials: [deny],
  run(needs: Needs): Outcome<object, CodeOf<typeof deny>> {
    const { policy, route, admission, enter } = needs
    if (!enter || route.endpoint) return ok({})
    const most = route.inFlight ?? policy.gate.inFlight
    if (enter(ownerFor(admission, needs), most)) return ok({})
    return fail(deny('in_flight_exceeded', { in_flight: most }, { retryAfter: 1 }))
  },
})

/** A rule with a number of its own counts its own requests; all other rules count together. */
const ownerFor = perAdmission(
  ({ route, agent: { issuer, id } }: Pick<Needs, 'route' | 'agent'>) =>
    JSON.stringify(
      route.inFlight === undefined ? [issuer, id] : [issuer, id, route.name, route.host],
    ),
  (text) => 2 * text.length,
)
