import * as v from 'valibot'
import type { Admin } from '../../gate/app/context.ts'
import { list, oneOf, queryLimit, queryText, strict, text } from '../../gate/app/request.ts'
import { dateTime } from '../../gate/base/duration.ts'
import { LIMITS } from '../../gate/base/limits.ts'
import {
  AGENT_NEEDS,
  AGENT_STATUSES,
  type AgentChange,
  type AgentQuery,
} from '../../gate/model/agents.ts'

const texts = list(text(512), 50, 'must be a list of 1 to 50 texts')
const NO_PINS =
  'must be a list of 1 to 10: of checksums as sha256: and 64 hex digits, else of short texts'
/** The lists are short, because isolates remember them for each approved agent. */
const pins = (pattern: RegExp) =>
  list(v.pipe(v.string(NO_PINS), v.regex(pattern, NO_PINS)), 10, NO_PINS)
const NO_MOMENT = 'must be a date, or a date and time with its zone (RFC 3339)'
const moment = v.pipe(
  v.string(NO_MOMENT),
  v.transform((given) => dateTime(/^\d{4}-\d\d-\d\d$/.test(given) ? `${given}T00:00:00Z` : given)),
  v.number(NO_MOMENT),
  v.transform((ms) => new Date(ms).toISOString().replace('.000Z', 'Z')),
)

const FIELDS = {
  name: text(200),
  owners: texts,
  purpose: text(1_000),
  types: texts,
  client: text(2_048),
  keys: pins(/^[\x21-\x7e]{1,64}$/),
  checksums: pins(/^sha256:[0-9a-f]{64}$/),
  registrations: pins(/^[^\p{Cc}]{1,200}$/u),
  review_by: moment,
  expires: v.pipe(
    moment,
    v.check((given) => Date.parse(given) > Date.now(), 'must be in the future'),
  ),
}
const STATUS = oneOf(AGENT_STATUSES)
const REASON = v.exactOptional(text(LIMITS.revocationReason))
const MORE = { status: v.exactOptional(STATUS), reason: REASON }

/** What a `PUT` or `PATCH` says. */
type AgentEdit = Pick<AgentChange, 'status' | 'reason'> & AgentChange['fields']

const edit = (wrap: (one: v.GenericSchema) => v.GenericSchema) =>
  strict({
    ...Object.fromEntries(
      Object.entries(FIELDS).map(([name, one]) => [name, v.exactOptional(wrap(one))]),
    ),
    ...MORE,
  }) as unknown as v.GenericSchema<unknown, AgentEdit>

/** The bodies of a `PUT`, and of a `PATCH` (RFC 7396): there `null` removes. */
export const AGENT_EDITS = { put: edit((one) => one), patch: edit((one) => v.nullable(one)) }

const KEY = {
  issuer: queryText,
  agent: v.exactOptional(queryText),
  agent_name: v.exactOptional(queryText),
}

/** The query that names an agent: by `agent`, or by `agent_name`. */
export const AGENT_KEY = strict(KEY)

/** The body that stops or resumes an agent. */
export const AGENT_STOP = strict({
  ...KEY,
  reason: REASON,
  force: v.exactOptional(v.boolean('must be true or false')),
})

/** The query of a list. */
export const AGENT_QUERY = strict({
  issuer: v.exactOptional(queryText),
  status: v.exactOptional(STATUS),
  find: v.exactOptional(queryText),
  needs: v.exactOptional(oneOf(['any', ...AGENT_NEEDS])),
  limit: v.exactOptional(queryLimit),
  cursor: v.exactOptional(v.string()),
})

/** The versions of `If-Match` (RFC 9110 §13.1.1); `undefined` without it. Ignores tags that are not versions. */
export function matchOf(header: string | undefined): AgentChange['match'] {
  if (header === undefined) return undefined
  if (header.trim() === '*') return '*'
  return header.split(',').flatMap((tag) => {
    const [, version] = /^\s*"(\d{1,15})"\s*$/.exec(tag) ?? []
    return version === undefined ? [] : [Number(version)]
  })
}

/** The beginnings of ids whose names begin with a text. A name is the prefix of the issuer and the id. */
export function beginningsOf(c: Admin, find: string | undefined): Pick<AgentQuery, 'begins'> {
  if (find === undefined) return {}
  const issuers = [...c.get('policy').issuers.values()].filter(
    ({ agentPrefix: one }) => one && (one.startsWith(find) || find.startsWith(one)),
  )
  const named = issuers.map(({ issuer, agentPrefix = '' }) => ({
    text: find.slice(agentPrefix.length),
    issuer,
  }))
  return { begins: [{ text: find }, ...named] }
}
