import { denials } from '../base/denial.ts'
import { revokedDenials } from '../guard/checks/revoked.ts'
import type { AgentKey } from '../model/agents.ts'
import type { RevocationPage, RevocationQuery, RevocationStore } from '../model/ports.ts'
import {
  isCovered,
  ownerOf,
  type Revocation,
  revocableSubjects,
  type ShardStatus,
  subjectKey,
} from '../model/revocation.ts'
import { createApp } from './app.ts'
import {
  type Admin,
  answer,
  called,
  type GateEnv,
  isReached,
  ownIssuer,
  refuse,
} from './context.ts'
import { mustHaveNames, readAgent, readIssuer } from './names.ts'
import { prefixOf, queriesOf, readAdminJson, readId } from './request.ts'
import { readRevocationQuery, readRevocations, toRevocations } from './revocation-request.ts'

export const revocationDenials = denials({
  revocation_invalid: [
    'badRequest',
    'The request does not describe a revocation or a list',
    'Correct what `problems` names; nothing was changed',
  ],
  admin_reach: [
    'forbidden',
    "This token may not administer that issuer's revocations, agents or rules",
    'Use a token of that issuer, or of one that may administer every issuer',
  ],
  would_lock_out: [
    'conflict',
    'The change would stop the token that makes this call',
    'Repeat the call with force set to true if you want that; nothing was changed',
  ],
  revocation_unknown: [
    'notFound',
    'There is no such revocation, or this token may not see it',
    'The revocation may have expired or been lifted; list the revocations to see what is there. Only an administrator of every issuer can lift a revocation that such an administrator made',
  ],
  revocations_full: [
    'full',
    'The revocation set is full',
    'Lift old revocations, wait until some expire, or revoke an agent or client instead of many tokens; the last tenth of the set is for administrators of every issuer',
  ],
  revocations_share_full: [
    'full',
    'Administrators of this issuer have used their tenth of the revocation set',
    'Lift revocations that they have made, wait until some expire, or revoke an agent or client instead of many tokens; this limit is not for administrators of every issuer',
  ],
})

const deny = revocationDenials
const INVALID = deny('revocation_invalid')

const FULL = { set: 'revocations_full', share: 'revocations_share_full' } as const

const ID = /^[A-Za-z0-9_-]{22}$/

/**
 * `POST`, `GET` and `DELETE /revocations`: makes, lists and lifts entries of the caller's issuers. The guard has
 * checked token and scope; only the issuer is checked here.
 */
export const revocationsApp = createApp<GateEnv>()
  .post('/revocations', async (c) => {
    const wanted = readRevocations(c, await readAdminJson(c, INVALID), INVALID)
    // Checked before the policy, so that answers do not reveal other issuers' entries.
    for (const one of wanted.entries) mustReach(c, one.wanted.issuer)
    const now = Math.floor(c.get('ports').clock.now() / 1000)
    const entries = await toRevocations(c, wanted, now, INVALID)
    if (!wanted.force && locksOut(c, entries, now)) refuse(c, deny('would_lock_out'))
    const { added, shards } = await addRevocations(c, entries)
    const body = { revocations: added.map(presenter(c)), ...presentShards(shards) }
    if (shards.pending.length === 0) return answer(c, body)
    // Shards apply changes in order: a shard with the last entry has all of them.
    const last = entries.at(-1)?.id
    const location = `${c.get('policy').gate.prefix}/revocations/${last}`
    return answer(c, body, 202, { location })
  })
  .get('/revocations', (c) => answerPage(c, queriesOf(c), (store, query) => store.list(query)))
  .delete('/revocations', (c) => {
    const { limit: _, cursor: __, ...filters } = queriesOf(c)
    if (Object.keys(filters).length === 0) {
      const problems = [
        { path: '', message: 'must say which revocations to lift, such as by kind or issuer' },
      ]
      refuse(c, INVALID, { problems })
    }
    const reach = ownIssuer(c) === undefined ? undefined : ['own']
    if (reach && filters.reach?.includes('all')) refuse(c, deny('admin_reach'))
    const given = { ...queriesOf(c), ...(reach && { reach }) }
    return answerPage(c, given, async (store, query) => {
      const page = await store.removePage(query, c.get('act')?.())
      record(c, page.revocations)
      return page
    })
  })
  .get('/revocations/:id', async (c) => {
    const id = c.req.param('id')
    const found = ID.test(id) ? await findRevocation(c, id) : undefined
    // The same denial for unknown entries and for entries of other issuers.
    if (!found || !isReached(c, found.revocation.issuer)) {
      return refuse(c, deny('revocation_unknown'))
    }
    const { revocation, shards } = found
    return answer(c, { revocation: presenter(c)(revocation), ...presentShards(shards) })
  })
  .delete('/revocations/:id', async (c) => {
    const id = c.req.param('id')
    const isRemoved =
      ID.test(id) && (await ask(c, (store) => store.remove(id, ownIssuer(c), c.get('act')?.())))
    if (!isRemoved) refuse(c, deny('revocation_unknown'))
    record(c, [{ id }])
    return c.body(null, 204, { 'cache-control': 'no-store' })
  })

/** An entry and its shards; `undefined` where there is none. Refuses the request if the set cannot be reached. */
export function findRevocation(c: Admin, id: string): ReturnType<RevocationStore['get']> {
  return ask(c, (store) => store.get(id))
}

/**
 * Stores entries with the caller's act, names them in the journal, and ends the approvals of calls that they cover.
 * Refuses the request if the set is full or cannot be reached.
 */
export async function addRevocations(c: Admin, entries: readonly Revocation[]) {
  const act = c.get('act')?.()
  // So that what agents give back displaces no act of an administrator of every issuer.
  const by = act && ownerOf(entries) !== undefined ? { ...act, isOwn: true } : act
  const stored = await ask(c, (store) => store.add(entries, by))
  if ('full' in stored) return refuse(c, deny(FULL[stored.full]))
  record(c, stored.added)
  return stored
}

/** Names changed entries in the journal. */
const record = (c: Admin, entries: readonly Pick<Revocation, 'id'>[]): void =>
  c.set(
    'revocations',
    entries.map(({ id }) => id),
  )

/** Refuses the request if the caller may not administer the issuer. Every caller may leave the issuer out. */
export function mustReach(c: Admin, issuer: string | undefined): void {
  if (issuer !== undefined && !isReached(c, issuer)) refuse(c, deny('admin_reach'))
}

/** Answers with a page of entries that match the query, of the caller's issuers. */
const answerPage = async (
  c: Admin,
  given: Readonly<Record<string, readonly string[]>>,
  call: (store: RevocationStore, query: RevocationQuery) => Promise<RevocationPage>,
): Promise<Response> => {
  const wanted = readRevocationQuery(c, INVALID, given)
  const { issuer: named, agent_name: name, value: id, ...rest } = wanted
  const issuer = readIssuer(c, named, INVALID) ?? ownIssuer(c)
  mustReach(c, issuer)
  const isNameless = issuer === undefined && name !== undefined && id === undefined
  const isThere = async ({ issuer, agent: value }: AgentKey) => {
    const asked = { kind: 'agent', issuer, value, limit: 1 } as const
    return (await ask(c, (store) => store.list(asked))).revocations.length > 0
  }
  const agent =
    isNameless && [undefined, 'agent'].includes(rest.kind)
      ? await readAgent(c, { name }, INVALID, isThere)
      : { issuer, agent: readId(c, { kind: rest.kind, issuer, id, name }, INVALID) }
  const query = {
    ...rest,
    ...(name !== undefined && { kind: 'agent' as const }),
    ...(agent.issuer !== undefined && { issuer: agent.issuer }),
    ...(agent.agent !== undefined && { value: agent.agent }),
  }
  const { revocations, cursor } = await ask(c, (store) => call(store, query))
  if (revocations.length === 0 && rest.cursor === undefined) mustHaveNames(c, query, INVALID)
  return answer(c, {
    revocations: revocations.map(presenter(c)),
    ...(cursor !== undefined && { cursor: String(cursor) }),
  })
}

const ask = <Value>(c: Admin, call: (store: RevocationStore) => Promise<Value>): Promise<Value> =>
  called(
    c,
    () => call(c.get('ports').store),
    (error) => revokedDenials('revocations_unavailable', { error: String(error) }),
  )

/** Whether an entry would revoke the caller's own token. */
const locksOut = (c: Admin, entries: readonly Revocation[], now: number): boolean => {
  const access = c.get('access')
  const own = new Set(revocableSubjects(access, c.get('agent')).map(subjectKey))
  const token = {
    issuedAt: access.issuedAt,
    now,
    tolerance: c.get('policy').gate.clockTolerance,
  }
  return entries.some((entry) => own.has(subjectKey(entry)) && isCovered(entry, token))
}

/** `pending` only if not empty. */
function presentShards({ total, acknowledged, pending }: ShardStatus) {
  return { shards: { total, acknowledged, ...(pending.length > 0 && { pending }) } }
}

/** How far a change is in the revocation set; without shards that cannot be reached. */
export function shardsOf(shards: ShardStatus | undefined) {
  const isPending = !shards || shards.pending.length > 0
  return { ...(isPending && { pending: true }), ...(shards && presentShards(shards)) }
}

/** Formats an entry. An agent with a prefix also has the `name` that origins see. */
const presenter = (c: Admin) => (revocation: Revocation) => {
  const { value, at, created, createdBy, own, renewed, renewedBy, ...entry } = revocation
  const prefix = entry.kind === 'agent' ? prefixOf(c.get('policy'), entry.issuer) : ''
  return {
    ...entry,
    ...(entry.kind !== 'issuer' && { value }),
    // Entries of security events are the only ones of mode `block` with a time.
    ...(entry.mode !== 'block' && at !== undefined && { at }),
    ...(prefix !== '' && { name: prefix + value }),
    reach: own ? 'own' : 'all',
    created,
    created_by: createdBy,
    ...(renewed !== undefined && { renewed, renewed_by: renewedBy }),
  }
}
