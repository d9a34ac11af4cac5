import { isObject, type JsonObject, listOf, objectOf, own } from '../../gate/base/json.ts'
import { quote, quoteAll } from '../../gate/policy/reading/issues.ts'
import type { WrittenScopes } from '../../gate/policy/reading/rows.ts'
import { followed, textOf } from './document.ts'

/** What an operation requires of its callers. */
export interface Needs {
  readonly scopes: WrittenScopes
  /** Whether the document names the scopes. */
  readonly isTold: boolean
  /** Whether the document also takes requests without a token. */
  readonly isOpen: boolean
}

/**
 * What a list of security requirements requires, with notes about it. If it names no scopes, they are `unnamed`. Throws
 * a SyntaxError if no rule can require it.
 */
export function needsOf(
  root: JsonObject,
  list: readonly unknown[],
  unnamed: readonly string[],
): Needs & { readonly notes: readonly string[] } {
  const all = list.map((one) => requirementOf(root, one))
  const others = [...new Set(all.flatMap((one) => one.others))]
  const isOpen = all.every(({ size }) => size === 0) || all.some(({ size }) => size === 0)
  const access = all.some(({ size }) => size > 0) ? 'optional' : 'public'
  const texts = all.flatMap(({ hasToken, scopes }) => (hasToken ? JSON.stringify(scopes) : []))
  const sets = [...new Set(texts)].map((text): readonly string[] => JSON.parse(text))
  const [first = []] = sets
  const isAny = sets.length > 1 && sets.every(({ length }) => length === 1)
  const isTold = first.length > 0
  const asked = unnamed.length > 0 ? `the scope ${quoteAll(unnamed)}` : 'any valid token'
  const notes = {
    [`names ${others.join(', ')}, which the gate does not check`]: others.length > 0,
    [`takes requests without a token, but the rule does not; to allow them write access = "${access}"`]:
      isOpen,
    [`names no scope: the rule asks for ${asked}`]: !isTold,
    'has alternatives of several scopes: the rule asks for the first': sets.length > 1 && !isAny,
  }
  return {
    scopes: isAny ? { any: sets.flat() } : isTold ? first : unnamed,
    isTold,
    isOpen,
    notes: Object.entries(notes).flatMap(([text, isTrue]) => (isTrue ? text : [])),
  }
}

/** One requirement, with all its schemes. Any bearer token counts, whatever its documented format. */
const requirementOf = (root: JsonObject, requirement: unknown) => {
  if (!isObject(requirement))
    throw new SyntaxError('has a security requirement that is not an object')
  const schemes = objectOf(own(objectOf(own(root, 'components')), 'securitySchemes'))
  const scopes = new Set<string>()
  const others: string[] = []
  const names = Object.keys(requirement)
  for (const name of names) {
    const found = followed(root, own(schemes, name))
    const { type, scheme = '', in: place = '' } = found
    const kind = `${textOf(type)} ${textOf(scheme)}${textOf(place)}`.trim()
    if (!/^(?:oauth2|openIdConnect|http bearer)\b/i.test(kind)) {
      others.push(`${quote(name)} (${quote(kind)})`)
      continue
    }
    for (const scope of listOf(own(requirement, name))) {
      if (typeof scope !== 'string' || /[{}]/.test(scope)) {
        throw new SyntaxError(`names the scope ${quote(textOf(scope))}, which no rule can ask for`)
      }
      scopes.add(scope)
    }
  }
  const { length: size } = names
  return { size, scopes: [...scopes].sort(), others, hasToken: others.length < size }
}
