import { contentLength, dropBody } from '../base/body.ts'
import { LIMITS } from '../base/limits.ts'
import { networkOf } from '../base/network.ts'
import type { RequestParts } from '../base/request.ts'
import type { DropRooms } from '../base/room.ts'
import type { Decision } from '../guard/guard.ts'
import { ownerOf } from '../guard/operation/body.ts'
import type { Gate } from '../model/policy.ts'
import { UNREAD_BODY } from '../policy/keys/unread-body.ts'
import { bearerOf } from './record.ts'

/** Whose body it is, and what of it may be read. */
interface Sender {
  /** Absent where the policy is invalid. */
  readonly gate: Gate | undefined
  readonly decision: Decision | undefined
  readonly clientIp: string | undefined
  readonly rooms: DropRooms
}

/**
 * Gives the answer once its caller can receive it. If nobody reads the request's body, the runtime closes the
 * connection with the answer, and a client that is still sending reports a network error in place of it. So the body is
 * read and dropped first, within bounds. A body that is forwarded or was read is left alone. So is one whose sender
 * waits for `100 Continue`.
 */
export function onceSent(
  answer: Response,
  request: RequestParts,
  sender: Sender,
): Response | Promise<Response> {
  const { body } = request
  if (!body || body.locked || request.headers.has('expect')) return answer
  const { bytes, ms, room } = boundsOf(sender)
  return dropBody(body, { bytes, ms, room, length: contentLength(request.headers) }).then(
    () => answer,
  )
}

const boundsOf = ({ gate, decision, clientIp, rooms }: Sender) => {
  const { bytes, ms } = gate?.unreadBody ?? UNREAD_BODY
  const { token } = decision?.known ?? {}
  if (token) {
    const id = bearerOf(decision?.known ?? {}).agent?.id ?? ''
    const owner = ownerOf({ issuer: token.issuer.issuer, id })
    return { bytes, ms, room: rooms.known.open(owner, ms + LIMITS.heldSlackMs) }
  }
  const owner = clientIp === undefined ? '' : networkOf(clientIp)
  const room = rooms.strangers.open(owner, ms + LIMITS.heldSlackMs)
  return { bytes: Math.min(bytes, LIMITS.strangersBodyBytes), ms, room }
}
