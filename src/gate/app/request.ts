import * as v from 'valibot'
import { isPlainJson } from '../base/body.ts'
import { utf8Decode } from '../base/bytes.ts'
import { type CodeOf, type Denial, denials } from '../base/denial.ts'
import { type JsonObject, parseJsonObject } from '../base/json.ts'
import { LIMITS } from '../base/limits.ts'
import { getOrMake } from '../base/memo.ts'
import { readParameters } from '../base/query.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { Room } from '../base/room.ts'
import { splitUrl } from '../base/url.ts'
import { type bodyDenials, ownerOf, wholeBody } from '../guard/operation/body.ts'
import { checkStanding } from '../guard/stages/revocation.ts'
import type { AgentKey } from '../model/agents.ts'
import type { Policy } from '../model/policy.ts'
import { type Revocation, revocableSubjects } from '../model/revocation.ts'
import { type Admin, refuse } from './context.ts'

/** Denials of a body's content type, for the gate's own endpoints. */
export const contentDenials = denials({
  content_type_unsupported: [
    'unsupported',
    'This endpoint takes JSON only',
    'Send the body as Content-Type: application/json, without Content-Encoding',
  ],
})

type BodyCode = CodeOf<typeof bodyDenials> | CodeOf<typeof contentDenials>

/** Reads the bytes of a JSON request, within `most` bytes and `ms`. Does not parse them. */
export async function readJsonBody(
  request: Request,
  room: Room,
  most: number = LIMITS.adminBodyBytes,
  ms?: number,
): Promise<Result<Uint8Array<ArrayBuffer>, Denial<BodyCode>>> {
  if (!isPlainJson(request.headers)) return fail(contentDenials('content_type_unsupported'))
  return wholeBody(request.body, most, room, undefined, ms)
}

/** The object in a body that is JSON in UTF-8; `undefined` for other content. Refuses as {@link readAdminText} does. */
export async function readAdminBody(c: Admin, most?: number): Promise<JsonObject | undefined> {
  return parseJsonObject(
    (await readAdminText(c, (room) => readJsonBody(c.req.raw, room, most))) ?? '',
  )
}

/**
 * The text of a body; `undefined` where it is not UTF-8. Refuses the request if the body cannot be read, or if the
 * caller's token has expired or been revoked meanwhile.
 */
export async function readAdminText(
  c: Admin,
  read: (room: Room) => ReturnType<typeof readJsonBody>,
): Promise<string | undefined> {
  const [policy, access, agent] = [c.get('policy'), c.get('access'), c.get('agent')]
  const { intent = {} } = c.get('decision').known
  const subjects = revocableSubjects(access, agent)
  // The gate's own endpoints accept agents that are not approved, too.
  const facts = { policy, route: { endpoint: 'none' }, access, intent, agent, subjects } as const
  const ports = c.get('ports')
  const room = ports.bodies.open(ownerOf(agent), LIMITS.bodyReadMs + LIMITS.heldSlackMs)
  try {
    const body = await read(room)
    if (!body.ok) return refuse(c, body.reason)
    const standing = await checkStanding(facts, ports)
    if (!standing.ok) return refuse(c, standing.reason)
    return utf8Decode(body.value)
  } finally {
    room.leave()
  }
}

/** {@link readAdminBody}; refuses other content with `invalid`. */
export async function readAdminJson(c: Admin, invalid: Denial, most?: number): Promise<JsonObject> {
  const message = `must be one JSON object in UTF-8: at most ${LIMITS.jsonDepth} levels, no name twice, no __proto__`
  const problems: readonly Problem[] = [{ path: '', message }]
  return (await readAdminBody(c, most)) ?? refuse(c, invalid, { problems })
}

/** A mistake in a request and its path, such as `revocations[2].kind`. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** Reads a value by a schema. Refuses the request with `invalid` and the mistakes that valibot finds. */
export function readValue<Schema extends v.GenericSchema>(
  c: Admin,
  schema: Schema,
  value: unknown,
  invalid: Denial,
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, value)
  if (parsed.success) return parsed.output
  const problems = parsed.issues.map(({ path = [], message }): Problem => {
    const keys = path.map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    return { path: keys.join('').replace(/^\./, ''), message }
  })
  return refuse(c, invalid, { problems })
}

/** All parameters of the query. The readers of Hono and of Node take quadratic time. */
export function queriesOf(c: Admin): Readonly<Record<string, readonly string[]>> {
  const sent = new Map<string, string[]>()
  for (const [name, value] of readParameters(splitUrl(c.req.url)?.query ?? '', '&')) {
    getOrMake(sent, name, () => []).push(value)
  }
  return Object.fromEntries(sent)
}

/** {@link readValue} of the parameters of the query. Refuses repeated ones. */
export function readQuery<Schema extends v.GenericSchema>(
  c: Admin,
  schema: Schema,
  invalid: Denial,
  given: Readonly<Record<string, readonly string[]>> = queriesOf(c),
): v.InferOutput<Schema> {
  const problems = Object.keys(given)
    .filter((name) => given[name]?.length !== 1)
    .map((path): Problem => ({ path, message: 'must be given once' }))
  if (problems.length > 0) return refuse(c, invalid, { problems })
  const entries = Object.entries(given).map(([name, [first]]) => [name, first])
  return readValue(c, schema, Object.fromEntries(entries), invalid)
}

/** An object with these keys and no others. */
export function strict<const Entries extends v.ObjectEntries>(entries: Entries) {
  return v.strictObject(entries, ({ expected, received }: v.StrictObjectIssue) => {
    if (expected === 'never') return 'is not a known key'
    return received === 'undefined' ? 'is required' : 'must be an object'
  })
}

/** Text of bounded length. */
export function text(length: number) {
  const message = `must be text of 1 to ${length} characters`
  return v.pipe(
    v.string(message),
    v.minLength(1, message),
    v.maxLength(length, message),
    v.check((value) => value.isWellFormed(), 'must not contain lone surrogates'),
  )
}

/** One of some words. */
export function oneOf<const Words extends readonly string[]>(words: Words) {
  return v.picklist(words, `must be one of ${words.join(', ')}`)
}

/** A list of 1 to `most` items. */
export function list<Item extends v.GenericSchema>(item: Item, most: number, message: string) {
  return v.pipe(v.array(item, message), v.minLength(1, message), v.maxLength(most, message))
}

/** A number in a query, written in this form. */
export function queryNumber(pattern: RegExp, message: string) {
  return v.pipe(v.string(message), v.regex(pattern, message), v.transform(Number))
}

/** The text of a query parameter. */
export const queryText = text(LIMITS.revocationValue)

/** The most entries of a page. */
export const queryLimit = queryNumber(/^(?:[1-9]\d{0,2}|1000)$/, 'must be 1 to 1000')

/** The mistake in a cursor. */
export const BAD_CURSOR = 'must be the cursor of an earlier page'

/** The prefix that origins see before an issuer's agent ids. */
export function prefixOf({ issuers }: Policy, issuer: string | undefined): string {
  return issuers.get(issuer ?? '')?.agentPrefix ?? ''
}

/** Something of an agent as answers have it: with the agent's name at origins, if that is not its id. */
export function withName<One extends Partial<AgentKey>>(policy: Policy, one: One) {
  const prefix = prefixOf(policy, one.issuer)
  return { ...one, ...(one.agent && prefix && { agent_name: prefix + one.agent }) }
}

/** How a request names something of an issuer: by its id, or an agent by its name at origins. */
interface Naming {
  readonly kind?: Revocation['kind'] | undefined
  readonly issuer: string | undefined
  readonly id: string | undefined
  readonly name: string | undefined
}

/**
 * The id that a request names: `id` exactly as it is, or `name` without the issuer's prefix; `undefined` where the
 * request has neither. Fails with what is wrong with `name`. Does not check whether there is such an agent.
 */
export function idOf(
  policy: Policy,
  { kind = 'agent', issuer, id, name }: Naming,
): Result<string | undefined, string> {
  if (name === undefined) return ok(id)
  if (kind !== 'agent') return fail('is only for kind agent')
  if (id !== undefined) return fail('must not be given beside the id')
  if (issuer === undefined) return fail('needs the issuer')
  const prefix = prefixOf(policy, issuer)
  return name.startsWith(prefix) && name !== prefix
    ? ok(name.slice(prefix.length))
    : fail("must be the issuer's agent_prefix and then an id")
}

/** {@link idOf}; refuses the request with `invalid`. `prefix` is that of the parameter's name. */
export function readId(c: Admin, naming: Naming, invalid: Denial, prefix = ''): string | undefined {
  const id = idOf(c.get('policy'), naming)
  if (id.ok) return id.value
  return refuse(c, invalid, { problems: [{ path: `${prefix}agent_name`, message: id.reason }] })
}

/** Whether the issuer is in the policy or, for kind `agent`, is an accepted issuer of actors. */
export function isKnown(
  { issuers }: Policy,
  { kind, issuer }: Pick<Revocation, 'kind' | 'issuer'>,
): boolean {
  if (issuers.has(issuer)) return true
  return kind === 'agent' && [...issuers.values()].some((one) => one.delegation.issuers.has(issuer))
}
