import { isPlainJson } from '../../core/body.ts'
import { utf8Decode } from '../../core/bytes.ts'
import { type CodeOf, type Denial, denials } from '../../core/denial.ts'
import { type JsonObject, parseJsonObject } from '../../core/json.ts'
import { LIMITS } from '../../core/limits.ts'
import { revocableSubjects } from '../../core/model/revocation.ts'
import { fail, type Result } from '../../core/result.ts'
import type { Room } from '../../core/room.ts'
import { type bodyDenials, ownerOf, wholeBody } from '../../core/stages/body.ts'
import { checkStanding } from '../../revocation/stage.ts'
import type { Admin } from './context.ts'
import type { Problem } from './revocation-request.ts'

/** Denials of a body's content type, for the gate's own endpoints. */
export const contentDenials = denials({
  content_type_unsupported: [
    'unsupported',
    'This endpoint takes JSON only',
    'Send the body as Content-Type: application/json, without Content-Encoding',
  ],
})

type BodyCode = CodeOf<typeof bodyDenials> | CodeOf<typeof contentDenials>

/**
 * Reads the bytes of a JSON request, within `most` ({@link LIMITS.adminBodyBytes}) and
 * {@link LIMITS.bodyReadMs}. Does not parse them.
 */
export async function readJsonBody(
  request: Request,
  room: Room,
  most: number = LIMITS.adminBodyBytes,
): Promise<Result<Uint8Array<ArrayBuffer>, Denial<BodyCode>>> {
  if (!isPlainJson(request.headers)) return fail(contentDenials('content_type_unsupported'))
  return wholeBody(request.body, most, room)
}

/** {@link readJsonBody}; afterwards checks the caller's token again. */
export async function readAdminBody(
  c: Admin,
  most?: number,
): Promise<Result<Uint8Array<ArrayBuffer>, Denial>> {
  const room = c
    .get('ports')
    .bodies.open(ownerOf(c.get('agent')), LIMITS.bodyReadMs + LIMITS.heldSlackMs)
  try {
    const body = await readJsonBody(c.req.raw, room, most)
    const denial = body.ok ? await checkAgain(c) : undefined
    return denial ? fail(denial) : body
  } finally {
    room.leave()
  }
}

const NOT_JSON: Problem = { path: '', message: 'must be one JSON object in UTF-8' }

/**
 * Decodes the JSON object of {@link readAdminBody}. For an unusable body it returns the answer; `invalid`: the denial
 * that names its problems.
 */
export async function readAdminJson<Value>(
  c: Admin,
  decode: (body: JsonObject) => Result<Value, readonly Problem[]>,
  invalid: Denial,
  most?: number,
): Promise<Result<Value, Response>> {
  const body = await readAdminBody(c, most)
  if (!body.ok) return fail(c.get('deny')(body.reason))
  const json = parseJsonObject(utf8Decode(body.value) ?? '')
  const decoded = json ? decode(json) : fail([NOT_JSON])
  return decoded.ok ? decoded : fail(c.get('deny')(invalid, { problems: decoded.reason }))
}

/** The denial if the token has expired or been revoked while the body was read. */
const checkAgain = async (c: Admin): Promise<Denial | undefined> => {
  const [policy, access, agent] = [c.get('policy'), c.get('access'), c.get('agent')]
  const { intent = {} } = c.get('decision').known
  const subjects = revocableSubjects(access, agent)
  // The gate's own endpoints accept agents that are not approved, too.
  const facts = { policy, route: { endpoint: 'none' }, access, intent, agent, subjects } as const
  const standing = await checkStanding(facts, c.get('ports'))
  return standing.ok ? undefined : standing.reason
}
