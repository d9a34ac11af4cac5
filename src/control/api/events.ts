import { type Admin, refuse } from '../../gate/app/context.ts'
import { sha256Name, utf8Decode } from '../../gate/base/bytes.ts'
import { LIMITS } from '../../gate/base/limits.ts'
import { wholeBody } from '../../gate/guard/operation/body.ts'
import { entryLife } from '../../gate/model/policy.ts'
import { eventDenials as deny, type Sender, takeEvent } from '../events/take.ts'

const TYPE = /^application\/secevent\+jwt[\t ]*$/i

/**
 * `POST /events` (RFC 8935): takes one security event of a transmitter of the policy, and changes the revocation set as
 * it says. The answer is 202 once the change is stored. An event that comes again gets the same answer.
 */
export async function receiveEvent(c: Admin): Promise<Response> {
  const [first, ...others] = await sendersOf(c)
  if (!first) return refuse(c, deny('event_unauthenticated'))
  const act = c.get('act')?.()
  const taken = await takeEvent(await readBody(c, first), [first, ...others], {
    ports: c.get('ports'),
    clockTolerance: c.get('policy').gate.clockTolerance,
    entryLife: entryLife(c.get('policy')),
    clientIp: c.get('clientIp'),
    ...(act && { act }),
  })
  if (!taken.ok) return refuse(c, taken.reason)
  c.set('revocations', taken.value)
  return c.body(null, 202, { 'cache-control': 'no-store' })
}

/** The transmitters that send this Authorization header. Compares digests, so that time says nothing of the header. */
const sendersOf = async (c: Admin): Promise<readonly Sender[]> => {
  const sent = await sha256Name(c.req.header('authorization') ?? '')
  const all = [...c.get('policy').issuers.values()].flatMap((of) =>
    (of.events ?? []).map((by) => ({ of, by })),
  )
  const digests = await Promise.all(
    all.map(({ by: { push } }) => push?.authorization && sha256Name(push.authorization)),
  )
  return all.filter((_, i) => digests[i] === sent)
}

const readBody = async (c: Admin, { by }: Sender): Promise<string> => {
  const { headers, body } = c.req.raw
  if (!TYPE.test(headers.get('content-type') ?? '') || headers.has('content-encoding')) {
    return refuse(c, deny('event_invalid'))
  }
  const owner = JSON.stringify(['events', by.source.issuer])
  const room = c.get('ports').bodies.open(owner, LIMITS.bodyReadMs + LIMITS.heldSlackMs)
  try {
    const read = await wholeBody(body, LIMITS.adminBodyBytes, room)
    return read.ok ? (utf8Decode(read.value) ?? '') : refuse(c, read.reason)
  } finally {
    room.leave()
  }
}
