import { isObject, type JsonObject, listOf, own } from '../../gate/base/json.ts'
import type { Erasure } from '../../gate/model/audit.ts'
import { readRecord } from '../records/terms.ts'

/** Members of a subject's records that are removed: they say what the subject did, or identify the subject. */
const REMOVED: ReadonlySet<string> = new Set([
  ...[
    'subject',
    'session',
    'workflow',
    'step',
    'jti',
    'path',
    'path_values',
    'claims',
    'assertion',
  ],
  ...['network', 'country'],
])

/** Members that stay, even if they contain the subject's name: the gate or the policy wrote them. */
const KEPT: ReadonlySet<string> = new Set([
  ...['v', 'id', 'time', 'kind', 'act', 'decision', 'code', 'route', 'mode', 'issuer', 'kid'],
  ...['method', 'host', 'policy', 'version', 'colo', 'revocations', 'ms', 'granted_by'],
])

/** A record without the values of a subject; the same text if it has none. An act keeps the administrator who did it. */
export function erased(text: string, { issuer, subject, isOwn }: Erasure): string {
  const record = readRecord(text)
  if (isOwn && own(record, 'issuer') !== issuer) return text
  const isSubjects = own(record, 'issuer') === issuer && own(record, 'subject') === subject
  const entry = { kind: 'subject', issuer, value: subject }
  const after =
    own(record, 'kind') === 'act'
      ? withEach(record, 'entries', entry, ({ value: _, reason: __, ...rest }) => rest)
      : isSubjects
        ? withoutSubject(record, subject)
        : withEach(record, 'actors', { issuer, sub: subject }, () => ({ issuer }))
  return after === record ? text : JSON.stringify({ ...after, erased: true })
}

const withoutSubject = (record: JsonObject, subject: string): JsonObject => {
  const rest = Object.entries(record).flatMap(([name, value]) => {
    if (REMOVED.has(name)) return []
    if (KEPT.has(name)) return [[name, value] as const]
    const left = withoutMentions(value, subject)
    return left === undefined ? [] : [[name, left] as const]
  })
  // A caller may have chosen the request id, so the record's own id takes its place.
  return { request_id: own(record, 'id'), ...Object.fromEntries(rest) }
}

/** A value without the texts that mention a name. */
const withoutMentions = (value: unknown, name: string): unknown => {
  if (typeof value === 'string') return mentions(value, name) ? undefined : value
  if (Array.isArray(value)) {
    return value.map((item) => withoutMentions(item, name)).filter((item) => item !== undefined)
  }
  if (!isObject(value)) return value
  const left = Object.entries(value).map(([key, item]) => [key, withoutMentions(item, name)])
  return Object.fromEntries(left.filter(([, item]) => item !== undefined))
}

/** Whether a text contains a name as a whole word. */
const mentions = (text: string, name: string): boolean => {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const around = [text[at - 1], text[at + name.length]]
    if (!around.some((one) => one !== undefined && /[\p{L}\p{N}]/u.test(one))) return true
  }
  return false
}

/** A record with a list, in which each item that has these members is changed; the same record if no item has them. */
const withEach = (
  record: JsonObject,
  list: 'actors' | 'entries',
  members: JsonObject,
  change: (item: JsonObject) => JsonObject,
): JsonObject => {
  const isMeant = (item: unknown): item is JsonObject =>
    isObject(item) && Object.entries(members).every(([name, value]) => own(item, name) === value)
  const items = listOf(own(record, list))
  if (!items.some(isMeant)) return record
  return { ...record, [list]: items.map((item) => (isMeant(item) ? change(item) : item)) }
}
