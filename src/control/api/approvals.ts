import * as v from 'valibot'
import { createApp } from '../../gate/app/app.ts'
import { approvalReadDenials, askApprovals, findApproval } from '../../gate/app/approvals.ts'
import {
  type Admin,
  answer,
  type GateEnv,
  holds,
  isReached,
  ownIssuer,
  refuse,
} from '../../gate/app/context.ts'
import { mustHaveNames, readIssuer } from '../../gate/app/names.ts'
import {
  BAD_CURSOR,
  oneOf,
  queryLimit,
  queryText,
  readAdminJson,
  readQuery,
  readValue,
  strict,
  withName,
} from '../../gate/app/request.ts'
import { sha256Name } from '../../gate/base/bytes.ts'
import { durationMs } from '../../gate/base/duration.ts'
import { type JsonObject, parseJson } from '../../gate/base/json.ts'
import { keyText, ownerText } from '../../gate/model/agents.ts'
import { APPROVAL_CURSOR, type Approval, decidersOf } from '../../gate/model/approval.ts'
import { APPROVE } from '../../gate/policy/endpoints.ts'
import { askAgents } from './agents.ts'
import { decidingDenials, mustBePerson, whyNoPerson } from './person.ts'
import { consoleUrl } from './ports.ts'
import { mustHold } from './scope.ts'

const deny = decidingDenials
const INVALID = deny('approval_request_invalid')

const QUERY = strict({
  state: v.exactOptional(oneOf(['waiting', 'decided', 'standing'])),
  issuer: v.exactOptional(queryText),
  limit: v.exactOptional(queryLimit),
  cursor: v.exactOptional(v.pipe(queryText, v.regex(APPROVAL_CURSOR, BAD_CURSOR))),
})

const NO_REASON = 'must be plain text of at most 500 characters, on one line'
const BAD_USES = 'must be a whole number from 1 to 100'
const BAD_FOR = 'must be a duration from 1m to 1d, like "8h"'
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const STANDING = strict({
  uses: v.pipe(
    v.number(BAD_USES),
    v.integer(BAD_USES),
    v.minValue(1, BAD_USES),
    v.maxValue(100, BAD_USES),
  ),
  for: v.pipe(
    v.string(BAD_FOR),
    v.check((text) => {
      const ms = durationMs(text) ?? 0
      return ms >= MINUTE_MS && ms <= DAY_MS
    }, BAD_FOR),
  ),
})

const DECISION = strict({
  decision: oneOf(['approve', 'refuse']),
  shown_digest: v.string('must be the shown_digest of the approval'),
  reason: v.exactOptional(
    v.pipe(
      v.string(NO_REASON),
      v.maxLength(500, NO_REASON),
      v.regex(/^\P{Cc}*$/u, NO_REASON),
      v.check((text) => text.isWellFormed(), 'must not contain lone surrogates'),
    ),
  ),
  standing: v.exactOptional(STANDING),
})

/**
 * Calls that wait for a person: lists and shows them, and takes a person's decision. The guard has checked token or
 * session; everything else is checked here. Agents that have asked are answered before.
 */
export const approvalsApp = createApp<GateEnv>()
  .get('/approvals', async (c) => {
    if (!c.env.person) mustHold(c, APPROVE)
    const { state = 'waiting', issuer: named, limit = 100, ...rest } = readQuery(c, QUERY, INVALID)
    const issuer = readIssuer(c, named, INVALID)
    const reach = holds(c, APPROVE) ? ownIssuer(c) : ''
    const { approvals, cursor } = await askApprovals(c, (all) =>
      all.list({
        ...{ ...rest, state, limit },
        ...(issuer !== undefined && { issuer }),
        ...(reach !== undefined && { reach }),
      }),
    )
    if (approvals.length === 0 && rest.cursor === undefined) mustHaveNames(c, { issuer }, INVALID)
    const owned = await ownedIn(c, approvals)
    const seen = approvals.filter((one) => isSeen(c, one, owned))
    const shown = await Promise.all(seen.map((one) => presented(c, one, owned)))
    return answer(c, { approvals: shown, ...(cursor !== undefined && { cursor }) })
  })
  .get('/approvals/:id', async (c) => {
    const found = await findApproval(c)
    const owned = await ownedIn(c, [found])
    return isSeen(c, found, owned)
      ? answer(c, await presented(c, found, owned))
      : refuse(c, approvalReadDenials('approval_unknown'))
  })
  .post('/approvals/:id', async (c) => {
    const person = mustBePerson(c)
    const given = readValue(c, DECISION, await readAdminJson(c, INVALID), INVALID)
    const found = await findApproval(c)
    const owned = await ownedIn(c, [found])
    const decided = async (approval: Approval) =>
      refuse(c, deny('approval_decided'), { approval: await presented(c, approval, owned) })
    const why = whyNot(c, found, owned)
    if (why === 'approval_decided') return decided(found)
    if (why) return refuse(c, deny(why))
    const reason = given.reason?.trim() || undefined
    const state = given.decision === 'approve' ? 'granted' : 'refused'
    const { standing: like } = given
    if (like && state === 'refused') return refuse(c, INVALID, { problems: [NO_STANDING] })
    if ((like || state === 'refused') && !reason) return refuse(c, deny('approval_reason_missing'))
    const standing = like && { uses: like.uses, ms: durationMs(like.for) ?? 0 }
    const digest = await sha256Name(found.shown)
    if (given.shown_digest !== digest) return refuse(c, deny('approval_changed'))
    const by = { issuer: person.issuer, subject: person.subject }
    const made = await askApprovals(c, (all) =>
      all.decide(
        found.id,
        {
          ...{ state, by, digest },
          ...(reason !== undefined && { reason }),
          ...(standing && { standing }),
        },
        c.get('act')?.(),
      ),
    )
    if (made.ok) return answer(c, await presented(c, made.value, owned))
    if (typeof made.reason === 'string') {
      return refuse(c, deny('approvals_standing_full', { room: made.reason }))
    }
    return made.reason ? decided(made.reason) : refuse(c, approvalReadDenials('approval_unknown'))
  })
  .delete('/approvals/:id', async (c) => {
    const { issuer, subject } = mustBePerson(c)
    const found = await findApproval(c)
    const owned = await ownedIn(c, [found])
    const why = mayNot(c, found, owned)
    if (why) return refuse(c, deny(why))
    const ended = await askApprovals(c, (all) =>
      all.withdraw(found.id, { issuer, subject }, c.get('act')?.()),
    )
    return ended.ok
      ? answer(c, await presented(c, ended.value, owned))
      : refuse(c, deny('approval_not_granted'), {
          approval: await presented(c, ended.reason ?? found, owned),
        })
  })

const NO_STANDING = { path: 'standing', message: 'is only for the decision "approve"' }

/** Agents, as {@link keyText}, on whose calls the person decides as an owner. */
type Owned = ReadonlySet<string>

/** Which of the agents that have asked belong to the person, as far as their owners decide. */
const ownedIn = async (c: Admin, approvals: readonly Approval[]): Promise<Owned> => {
  const { person } = c.env
  const asked = approvals.filter((one) => decidersOf(one) === 'owners').map(keyText)
  if (!person || asked.length === 0) return new Set()
  const owner = ownerText(person)
  const entries = await askAgents(c, (agents) => agents.several([...new Set(asked)]))
  return new Set(entries.filter(({ fields }) => fields.owners?.includes(owner)).map(keyText))
}

const isOwned = (approval: Approval, owned: Owned): boolean =>
  decidersOf(approval) === 'owners' && owned.has(keyText(approval))

const isOperator = (c: Admin, { issuer }: Approval): boolean =>
  holds(c, APPROVE) && isReached(c, issuer)

const isSeen = (c: Admin, approval: Approval, owned: Owned): boolean =>
  isOperator(c, approval) || isOwned(approval, owned)

/** Why the caller may not decide on a call that waits: the code; `undefined` if they may. */
const whyNot = (c: Admin, approval: Approval, owned: Owned) =>
  mayNot(c, approval, owned) ?? (approval.state === 'waiting' ? undefined : 'approval_decided')

/** Why the caller is not one who decides on a call. */
const mayNot = (c: Admin, approval: Approval, owned: Owned) => {
  const why = whyNoPerson(c)
  if (why) return why
  const isTheirs =
    decidersOf(approval) === 'owners' ? isOwned(approval, owned) : isOperator(c, approval)
  if (!isTheirs) return 'approval_not_yours'
  return isForCaller(c, approval) ? 'approval_own' : undefined
}

/**
 * Whether the call was made for the person, or by their own token. Their name counts with every issuer: many issuers
 * name a person alike.
 */
const isForCaller = (c: Admin, { subjects }: Approval): boolean => {
  const { person } = c.env
  const names = [person?.subject, c.get('access').subject, c.get('agent').id]
  return subjects.some((text) => {
    const [kind, , value] = parseJson(text) as [string, string, string]
    return (kind === 'subject' || kind === 'agent') && names.includes(value)
  })
}

const iso = (time: number): string => new Date(time).toISOString()

/** An approval as answers have it, for those who may see all of it. */
const presented = async (c: Admin, approval: Approval, owned: Owned): Promise<JsonObject> => {
  const { id, state, issuer, agent, asked, expires, shown, decision, used } = approval
  const url = consoleUrl(c, `/approvals/${id}`)
  return {
    ...{ id, state, ...withName(c.get('policy'), { issuer, agent }) },
    ...{ asked: iso(asked), expires: iso(expires), by: decidersOf(approval) },
    ...(url !== undefined && { url }),
    shown: parseJson(shown),
    shown_digest: await sha256Name(shown),
    ...(decision && {
      decision: {
        ...{ state: decision.state, by: decision.by, at: iso(decision.at) },
        ...(decision.reason !== undefined && { reason: decision.reason }),
      },
    }),
    ...(used !== undefined && { standing: { uses: decision?.standing?.uses, used } }),
    may_decide: whyNot(c, approval, owned) ?? true,
  }
}
