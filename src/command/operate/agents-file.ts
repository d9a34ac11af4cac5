import { parse } from 'smol-toml'
import { isObject, type JsonObject, listOf, own } from '../../gate/base/json.ts'
import type { Result } from '../../gate/base/result.ts'
import type { AgentFields } from '../../gate/model/agents.ts'
import { given } from '../base/command.ts'
import { textIn } from '../base/decision-lines.ts'
import { counted } from '../base/file-policy.ts'
import { readText } from '../base/files.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { tomlTable, tomlValue } from '../base/toml.ts'
import type { CallOptions } from './access.ts'

/** Calls the registry of the gate; the answer, or the outcome of a call that failed. */
export type CallAgents = (path: string, more: CallOptions) => Promise<Result<JsonObject, Outcome>>

const FIELDS: readonly (keyof AgentFields)[] = [
  ...(['name', 'owners', 'purpose', 'types', 'client', 'keys'] as const),
  ...(['checksums', 'registrations', 'review_by', 'expires'] as const),
]
const MEMBERS = ['issuer', 'agent', 'status', ...FIELDS]

const picked = (agent: JsonObject, names: readonly string[]): JsonObject =>
  given(Object.fromEntries(names.map((name) => [name, own(agent, name)])))

/** The agents that somebody has decided on, as a file. */
export function agentsToml(agents: readonly JsonObject[]): string {
  const decided = agents.filter(
    (one) => own(one, 'status') !== 'discovered' || FIELDS.some((name) => name in one),
  )
  const tables = decided.map((one) => tomlTable('[agents]', picked(one, MEMBERS)).join('\n'))
  return `${tables.join('\n\n')}\n`
}

/** Makes the registry equal to a file. Without `isMeant` it only prints what would change. */
export async function importAgents(
  file: string | undefined,
  before: readonly JsonObject[],
  isMeant: boolean,
  call: CallAgents,
): Promise<Outcome> {
  if (file === undefined) return cannotTell('Which file? Give the name of the file after import.')
  const text = await readText(file)
  if (!text.ok) return cannotTell(text.reason)
  const wanted = agentsIn(text.value)
  if (typeof wanted === 'string') return cannotTell(`${file}: ${wanted}`)
  const keyOf = (one: JsonObject) => tomlValue([own(one, 'issuer'), own(one, 'agent')])
  const known = new Map(before.map((one) => [keyOf(one), one]))
  const changes = wanted.flatMap((now) => {
    const old = known.get(keyOf(now))
    const was = picked(old ?? {}, MEMBERS)
    const names = MEMBERS.filter(
      (name) => tomlValue(own(was, name) ?? '') !== tomlValue(own(now, name) ?? ''),
    )
    return names.length === 0 ? [] : [{ now, old, names }]
  })
  const lines = changes.map(({ now, old, names }) => {
    const valueIn = (one: JsonObject | undefined, name: string) => tomlValue(one?.[name] ?? null)
    const members = names.map((name) => `${name} ${valueIn(old, name)} → ${valueIn(now, name)}`)
    const word = old ? 'change' : 'add'
    return `${word} ${textIn(now, 'agent')} of ${textIn(now, 'issuer')}: ${members.join(', ')}`
  })
  if (!isMeant || changes.length === 0) {
    const isSame = changes.length === 0
    return {
      exitCode: isSame ? EXIT.yes : EXIT.no,
      json: { changes: lines },
      out: isSame ? ['Nothing differs.'] : lines,
      err: isSame ? [] : ['Nothing was changed: add --yes.'],
    }
  }
  for (const [done, { now, old }] of changes.entries()) {
    const { issuer, agent, ...body } = now
    const query = { issuer: String(issuer), agent: String(agent) }
    const match = old && `"${textIn(old, 'version')}"`
    const answer = await call('/entry', { method: 'PUT', query, body, match })
    if (!answer.ok) {
      const { reason } = answer
      return { ...reason, err: [`${counted(done, 'agent')} changed before this:`, ...reason.err] }
    }
  }
  return { exitCode: EXIT.yes, json: { changed: lines }, out: lines, err: [] }
}

/** The agents of a file, or what is wrong with it. */
const agentsIn = (text: string): readonly JsonObject[] | string => {
  let file: unknown
  try {
    file = parse(text)
  } catch {
    return 'it is not TOML'
  }
  const agents = isObject(file) ? listOf(own(file, 'agents')).filter(isObject) : []
  if (agents.length === 0) return 'it has no [[agents]]'
  for (const one of agents) {
    const unknown = Object.keys(one).find((name) => !MEMBERS.includes(name))
    if (unknown !== undefined) return `"${unknown}" is not a field of an agent`
    const missing = ['issuer', 'agent', 'status'].find((name) => textIn(one, name) === undefined)
    if (missing !== undefined) return `an agent has no ${missing}`
  }
  return agents
}
