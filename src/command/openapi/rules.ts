import { pathsOf } from '../../compare/reach/reachable.ts'
import { ruleFor } from '../../compare/requests.ts'
import { utf8Encode } from '../../gate/base/bytes.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { METHODS } from '../../gate/model/route.ts'
import { parsePolicy } from '../../gate/policy/parse.ts'
import { quote } from '../../gate/policy/reading/issues.ts'
import { segmentsOf } from '../../gate/policy/reading/route-index.ts'
import type { WrittenScopes } from '../../gate/policy/reading/rows.ts'
import { tomlValue } from '../base/toml.ts'
import { VARIABLE_BYTES } from '../lints/lint.ts'
import type { OpenApiDocument } from './document.ts'
import { type Note, type NoteOf, type Operation, operationsOf } from './operations.ts'

/** A rule, and the operations it is made of. */
export interface ImportedRule {
  readonly match: string
  readonly scopes: WrittenScopes
  readonly operations: readonly Operation[]
}

/** The rules for a document. */
export interface Imported {
  /** The rules, in an order in which each operation reaches its rule. */
  readonly rules: readonly ImportedRule[]
  readonly notes: readonly Note[]
  /** The rules as a policy of their own, for the host {@link HOST}; absent without rules. */
  readonly policy?: Policy
}

/** The only host of the policy of a document. */
export const HOST = 'document.invalid'
const VARS = {
  GATE: { resource: `https://${HOST}`, origin: 'https://origin.invalid', assertion: 'identity' },
  ISSUERS: { any: { issuer: 'https://issuer.invalid' } },
}

/**
 * Rules for the operations of a document. The policy's own reader accepts each rule, and the real router finds it for a
 * request of each of its operations. Other operations are left out, with a note.
 */
export async function importRules(
  document: OpenApiDocument,
  unnamed: readonly string[],
): Promise<Result<Imported, string>> {
  const read = operationsOf(document, unnamed)
  if (!read.ok) return read
  const { operations, notes } = read.value
  const left: NoteOf[] = []
  for (let kept = operations; ; ) {
    const rules = grouped(kept)
    if (rules.length === 0) return ok({ rules, notes: [...notes, ...left].map(plain) })
    const ROUTES = rules.map(({ match, scopes }) => ({ match, scopes }))
    const parsed = parsePolicy(
      { ...VARS, ROUTES },
      { has: (kind) => kind !== 'secret', secret: () => undefined },
    )
    const faults = new Map<Operation, string>()
    if (parsed.ok) {
      const { policy } = parsed.value
      for (const [i, rule] of rules.entries()) {
        for (const one of rule.operations) {
          const [path = ''] = pathsOf(one)
          const met = await ruleFor(policy, { ...one, host: HOST, path })
          if (met?.route === policy.routes[i]) continue
          faults.set(
            one,
            met
              ? `is decided by \`${met.route.name}\``
              : 'has a path that some servers also read for another operation',
          )
        }
      }
      if (faults.size === 0) {
        const told = [...notes, ...left].map((note) => withDecider(note, policy))
        return ok({ rules, policy, notes: await Promise.all(told) })
      }
    } else {
      for (const { path, message } of parsed.reason) {
        const rule = rules[Number(/^ROUTES\[(\d+)\]/.exec(path)?.[1])]
        for (const one of rule?.operations ?? [])
          faults.set(one, `cannot be a rule: ${message.split(/[;\n]/, 1)[0]}`)
      }
      if (faults.size === 0) return fail(parsed.reason[0]?.message ?? '')
    }
    for (const [{ pointer, method, path }, message] of faults) {
      const [sample = ''] = pathsOf({ path })
      left.push({ pointer, message, isLeftOut: true, requests: [{ method, path: sample }] })
    }
    kept = kept.filter((one) => !faults.has(one))
  }
}

const plain = ({ requests: _, ...note }: NoteOf): Note => note

/** Adds to the note of an operation that is left out: which rules of other operations allow its requests. */
const withDecider = async (note: NoteOf, policy: Policy): Promise<Note> => {
  const { requests = [], pointer, message } = note
  const met = await Promise.all(requests.map((one) => ruleFor(policy, { ...one, host: HOST })))
  const names = [...new Set(met.flatMap((one) => (one ? quote(one.route.name) : [])))]
  if (names.length === 0 || names.every((name) => message.endsWith(name))) return plain(note)
  return {
    pointer,
    message: `${message}; its requests are allowed by ${names.join(', ')}`,
    isLeftOut: true,
  }
}

/** Operations of one path with equal scopes as one rule; of two rules for a request the more specific is first. */
const grouped = (operations: readonly Operation[]): readonly ImportedRule[] => {
  const groups = new Map<string, Operation[]>()
  for (const one of operations) {
    const key = JSON.stringify([one.path, one.scopes])
    const group = groups.get(key)
    if (group) group.push(one)
    else groups.set(key, [one])
  }
  return [...groups.values()]
    .map((all) => {
      const [{ path = '', scopes = [] } = {}] = all
      const methods = METHODS.filter((name) => all.some(({ method }) => method === name))
      const isRead = methods.includes('GET')
      const match = `${methods.filter((name) => name !== 'HEAD' || !isRead)} ${path}`
      // A rule for GET also matches HEAD, so a rule for HEAD alone comes before it.
      return {
        place: `${placeOf(path)}\u0000\u0000${isRead || !methods.includes('HEAD') ? 1 : 0} ${match}`,
        match,
        scopes,
        operations: all,
      }
    })
    .sort((one, other) => (one.place < other.place ? -1 : 1))
    .map(({ place: _, ...rule }) => rule)
}

/** A text to sort paths by: literals before parameters, and parameters with a longer suffix first. */
const placeOf = (path: string): string =>
  segmentsOf(path)
    .map((one) =>
      'literal' in one
        ? `\u0001${one.literal}`
        : `\u0002${String.fromCharCode(0xfffd - one.suffix.length)}${one.suffix}`,
    )
    .join('\u0000')

/** Rules as TOML: variables `table_01`, `table_02` and so on, each as large as Cloudflare allows. */
export function rulesToml(rules: readonly ImportedRule[], table: string): string {
  let [count, bytes] = [0, VARIABLE_BYTES]
  const numbers = rules.map(({ match, scopes }) => {
    const own = utf8Encode(JSON.stringify({ match, scopes })).length + 1
    if (bytes + own > VARIABLE_BYTES) [count, bytes] = [count + 1, 2]
    bytes += own
    return count
  })
  const digits = Math.max(2, `${count}`.length)
  return rules
    .map(({ match, scopes }, i) => {
      const name = `${table}_${`${numbers[i]}`.padStart(digits, '0')}`
      return `[[${name}]]\nmatch = ${tomlValue(match)}\nscopes = ${tomlValue(scopes)}\n`
    })
    .join('\n')
}
