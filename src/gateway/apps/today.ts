import { isObject, type JsonObject, listOf, own } from '../../core/json.ts'
import { isRevoked, revocableSubjects } from '../../core/model/revocation.ts'
import { showPolicy } from '../../policy/show.ts'
import { type Admin, isReached, ownIssuer } from './context.ts'

/** Whose revocation would cover the token of a record. */
const subjectsOf = (record: JsonObject) => {
  const text = (name: string, of = record) => {
    const value = own(of, name)
    return typeof value === 'string' ? value : undefined
  }
  const issuer = text('issuer')
  if (issuer === undefined) return []
  const actors = listOf(own(record, 'actors'))
    .filter(isObject)
    .flatMap((one) => ({ sub: text('sub', one) ?? '', issuer: text('issuer', one) ?? '' }))
  return revocableSubjects(
    {
      issuer,
      kid: text('kid'),
      id: text('jti'),
      subject: text('subject'),
      clientId: text('client'),
    },
    { id: text('agent'), workflowId: text('workflow'), actors },
  )
}

/**
 * What has changed since: whether the policy is another, its rule of the same name, and what is revoked of the
 * token. Administrators of one issuer see only what is revoked, and of their issuer.
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
      .filter((entry) => isReached(c, entry.issuer) && isRevoked(entry, token))
      .map(({ id, kind, issuer, value }) => ({ id, kind, issuer, value })),
  }
  if (ownIssuer(c) !== undefined) return { ...standing }
  const hash = await audit?.policyHash()
  const name = own(decision, 'route')
  const rule = showPolicy(policy).routes.find(({ match }) => match === name)
  const changed = hash !== own(decision, 'policy')
  return { policy: hash, changed, ...(rule && { rule }), ...standing }
}
