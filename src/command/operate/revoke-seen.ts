import { isObject, type JsonObject, listOf, objectOf, own } from '../../gate/base/json.ts'
import { within } from '../../gate/base/timeout.ts'
import type { Surroundings, Waiting } from '../base/command.ts'
import { counted } from '../base/file-policy.ts'
import type { Outcome } from '../base/output.ts'
import { AGENTS_SCOPE, AUDIT_SCOPE, callAs, type GateOptions, listAs } from './access.ts'

const HOUR = 3_600

/** Kinds that the audit finds decisions by; for the kind `issuer` the issuer is enough. */
const FOUND_BY = ['agent', 'subject', 'workflow']

/** How the audit names a subject; `undefined` for kinds that it does not find decisions by. */
const filterOf = (entry: JsonObject): Readonly<Record<string, string>> | undefined => {
  const [kind = '', value = '', issuer = ''] = ['kind', 'value', 'issuer'].map((name) =>
    String(own(entry, name) ?? ''),
  )
  if (kind === 'issuer') return { issuer }
  const name = own(entry, 'agent_name')
  if (name !== undefined) return { issuer, agent_name: String(name) }
  return FOUND_BY.includes(kind) ? { issuer, [kind]: value } : undefined
}

/** Milliseconds that a command waits for the answer of the gate to what it is about to stop. */
const TELL_MS = 2_000

/**
 * Says, before something is stopped, what that stops: its agents and their calls in the last hour, and agents that
 * act with an agent. Says nothing if the gate does not answer soon.
 */
export async function tellStopped(
  entry: JsonObject,
  options: GateOptions,
  around: Surroundings,
  { tell }: Pick<Waiting, 'tell'>,
): Promise<void> {
  const key = filterOf(entry)
  if (!key) return
  const read = async (scope: string, path: string, query: Readonly<Record<string, string>>) => {
    const answer = callAs(options, scope, around, path, { query })
    const soon = await within(answer, TELL_MS, () => undefined)
    return soon?.ok ? soon.value.body : undefined
  }
  const from = (around.now() - HOUR).toFixed(3)
  const [usage, found] = await Promise.all([
    read(AUDIT_SCOPE, '/usage', { ...key, from, by: 'agent' }),
    own(entry, 'kind') === 'agent' ? read(AGENTS_SCOPE, '/agents/entry', key) : undefined,
  ])
  const groups = listOf(usage && own(usage, 'usage')).filter(isObject)
  const sum = (name: string) => groups.reduce((all, one) => all + Number(own(one, name) ?? 0), 0)
  const namesIn = (list: readonly unknown[]) =>
    list.filter(isObject).map((one) => String(own(one, 'agent_name') ?? own(one, 'agent')))
  const seen = found && objectOf(own(objectOf(own(found, 'agent')), 'seen'))
  const children = namesIn(listOf(seen && own(seen, 'children')))
  const calls = `${counted(sum('decisions') - sum('denied'), 'allowed call')} in the last hour`
  if (groups.length > 0)
    tell(`This stops ${counted(groups.length, 'agent')}${listText(namesIn(groups))}: ${calls}.`)
  if (children.length > 0) tell(`These act with it${listText(children)}.`)
}

const listText = (names: readonly string[]): string =>
  names.length === 0 ? '' : ` (${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''})`

/**
 * A revocation's outcome with what the gate's audit knows about its subject. If that is not known, the outcome is
 * unchanged. `at` is when it was made, in seconds since the epoch.
 */
export async function withSeen(
  outcome: Outcome,
  entry: JsonObject,
  at: number,
  options: GateOptions,
  around: Surroundings,
): Promise<Outcome> {
  const asked = filterOf(entry)
  if (!asked) return outcome
  const pageOf = (from: string | undefined, limit: number) => {
    const query = { ...asked, from, limit }
    return listAs(options, AUDIT_SCOPE, around, ['/decisions', 'decisions'], { query })
  }
  const page = await pageOf((at - HOUR).toFixed(3), 1_000)
  if (page.fault) return outcome
  const { found, cursor } = page
  const isCut = cursor !== undefined
  const timeOf = (record: JsonObject) => Date.parse(String(own(record, 'time'))) / 1000
  const before = found.filter((record) => timeOf(record) < at)
  const since = found.filter((one) => timeOf(one) >= at && own(one, 'code') === 'token_revoked')
  const seen = {
    last_hour: before.length,
    allowed: before.filter((record) => own(record, 'decision') === 'allowed').length,
    revoked_since: since.length,
  }
  const ever = found.length === 0 && !isCut ? await pageOf(undefined, 1) : page
  const isNobody = !ever.fault && ever.found.length === 0 && ever.cursor === undefined
  const least = isCut ? 'at least ' : ''
  const line = `Audit: ${least}${counted(seen.last_hour, 'decision')} about it in the hour before, ${seen.allowed} allowed; ${least}${seen.revoked_since} refused as revoked since`
  const { kind, agent_name: name, value = name, issuer } = entry
  const named = value === undefined ? issuer : `${value} of ${issuer}`
  const warning = `warning: the audit has no decision about this ${kind}: is ${named} right?`
  return {
    ...outcome,
    json: { ...Object(outcome.json), seen },
    out: isNobody ? outcome.out : [...outcome.out, line],
    err: isNobody ? [...outcome.err, warning] : outcome.err,
  }
}
