import { isObject, type JsonObject, own, parseJsonObject } from '../base/json.ts'

/** Most characters of a record, unless its members of {@link WHOLE} alone are longer. */
const MOST = 8_192
/** Most steps of cutting. Each halves the longest member, so few are needed. */
const STEPS = 100
/**
 * Members that are never cut: those by which a record is found, ordered and erased, and whom it names. A part of an id
 * would be another id. The length of the token bounds them. `mcp` has a bound of its own and counts what it leaves out.
 */
const WHOLE: ReadonlySet<string> = new Set([
  ...['v', 'id', 'time', 'mcp'],
  ...['issuer', 'agent', 'agent_name', 'subject', 'client', 'session', 'workflow', 'jti'],
])

/**
 * A record with a bounded length, as JSON. Its longest members are halved until it fits: lists from their end, texts,
 * and in objects the longest member. The member `cut` names those that lack something.
 */
export function boundedRecord(text: string): string {
  if (text.length <= MOST) return text
  const cut = new Set<string>()
  let record: JsonObject = parseJsonObject(text) ?? {}
  for (let step = 0; step < STEPS && JSON.stringify(record).length > MOST; step++) {
    const name = longest(record)
    if (name === undefined) break
    cut.add(name)
    record = { ...record, [name]: halved(own(record, name)) }
  }
  return JSON.stringify({ ...record, cut: [...cut] })
}

const lengthOf = (value: unknown): number => JSON.stringify(value ?? null).length

const longest = (members: JsonObject): string | undefined => {
  const names = Object.keys(members).filter((name) => !WHOLE.has(name))
  return names.sort((a, b) => lengthOf(own(members, b)) - lengthOf(own(members, a)))[0]
}

const halved = (value: unknown): unknown => {
  if (typeof value === 'string') return value.slice(0, value.length / 2)
  if (Array.isArray(value)) {
    return value.length === 1 ? value.map(halved) : value.slice(0, value.length / 2)
  }
  if (!isObject(value)) return undefined
  const name = longest(value)
  return name === undefined ? undefined : { ...value, [name]: halved(own(value, name)) }
}
