import { type Admin, isReached, ownIssuer } from '../../gate/app/context.ts'
import { isObject, type JsonObject, listOf, own, ownText } from '../../gate/base/json.ts'
import { isCovered, revocableSubjects } from '../../gate/model/revocation.ts'
import { showPolicy } from '../../gate/policy/show.ts'

/** The subjects whose revocation would cover the token of a record. */
const subjectsOf = (record: JsonObject) => {
  const issuer = ownText(record, 'issuer')
  if (issuer === undefined) return []
  const actors = listOf(own(record, 'actors'))
    .filter(isObject)
    .map((one) => ({ sub: ownText(one, 'sub') ?? '', issuer: ownText(one, 'issuer') ?? '' }))
  return revocableSubjects(
    {
      issuer,
      kid: ownText(record, 'kid'),
      id: ownText(record, 'jti'),
      subject: ownText(record, 'subject'),
      session: ownText(record, 'session'),
      clientId: ownText(record, 'client'),
    },
    { id: ownText(record, 'agent'), workflowId: ownText(record, 'workflow'), actors },
  )
}

/** The rule of this name in a policy as `PREFIX/policy` shows it. */
export function ruleIn(policy: JsonObject, name: unknown): JsonObject | undefined {
  return listOf(own(policy, 'routes'))
    .filter(isObject)
    .find((route) => own(route, 'match') === name)
}

/**
 * How a decision compares with today: the policy and version that decide now, whether the policy has changed, its rule of
 * the same name, and the revocations that cover the token. Administrators of one issuer see only revocations of their
 * issuer.
 */
export async function todayOf(c: Admin, decision: JsonObject): Promise<JsonObject> {
  const { audit, revocations, clock } = c.get('ports')
  const policy = c.get('policy')
  // Absent where the set cannot be read.
  const found = await Promise.resolve(revocations.lookup(subjectsOf(decision))).catch(() => {})
  const token = {
    issuedAt: Number(own(decision, 'iat') ?? 0),
    now: Math.floor(clock.now() / 1000),
    tolerance: policy.gate.clockTolerance,
  }
  const standing = found && {
    revocations: found
      .filter((entry) => isReached(c, entry.issuer) && isCovered(entry, token))
      .map(({ id, kind, issuer, value }) => ({ id, kind, issuer, value })),
  }
  if (ownIssuer(c) !== undefined) return { ...standing }
  const hash = await audit?.policyHash()
  const rule = ruleIn(showPolicy(policy) as unknown as JsonObject, own(decision, 'route'))
  const changed = hash !== own(decision, 'policy')
  return { policy: hash, version: c.env.version, changed, ...(rule && { rule }), ...standing }
}
