import { describe, expect, it } from 'vitest'
import { durationMs } from '../../../src/gate/base/duration.ts'
import { isObject } from '../../../src/gate/base/json.ts'
import { parsePolicy } from '../../../src/gate/policy/parse.ts'
import { type PolicyIssue, pathText } from '../../../src/gate/policy/reading/issues.ts'
import { type ShownPolicy, showPolicy } from '../../../src/gate/policy/show.ts'
import { editorMistakesOfVars } from '../../kit/config-schema.ts'
import {
  BASE,
  BOUND,
  type Path,
  PLACES,
  type Place,
  type Shape,
  type Tree,
  withValue,
} from './places.ts'
import { ACME, GATE } from './support.ts'

/** What every key of a policy promises, made from its row alone: from its schema and its example. */

const mistakesIn = (vars: object): readonly PolicyIssue[] => {
  const read = parsePolicy(vars, BOUND)
  return read.ok ? [] : read.reason
}

/** A name that is almost this one. */
const almost = (name: string) => name.slice(0, 1) + name.slice(2)

/** A value that is refused: where below it, and what is said there. */
type Wrong = readonly [value: unknown, says: readonly (readonly [below: Path, message: RegExp])[]]
const wrong = (value: unknown, message: RegExp): Wrong => [value, [[[], message]]]

const quoted = (words: readonly unknown[]) =>
  new RegExp(words.map((one) => `(?=.*\`${String(one).replace(/\W/g, '\\$&')}\`)`).join(''))

/** Values that a key of this shape refuses: of another kind, outside its bounds, empty, misspelt. */
const wrongOf = (shape: Shape): readonly Wrong[] => {
  const checks = new Map(shape.pipe?.map(({ type, requirement }) => [type, requirement]))
  switch (shape.type) {
    case 'string': {
      const says =
        /^must (be|have a pattern that is) a string|^is a number without a unit: write "7s"/
      return [wrong(7, says), wrong(['a'], says)]
    }
    case 'boolean':
      return [wrong('true', /^must be true or false$/), wrong(1, /^must be true or false$/)]
    case 'number': {
      const says = /^must be a .* from \d+ to \d+$|^must have finite numbers/
      return (checks.has('integer') ? ['1', 1.5] : ['1']).map((value) => wrong(value, says))
    }
    case 'picklist': {
      const words = (shape.options ?? []).filter((one) => typeof one === 'string')
      return [wrong(7, /^must be/), ...words.map((one) => wrong(almost(one), quoted(words)))]
    }
    case 'array': {
      const items = wrongOf(shape.item as Shape)
      const says = items.flatMap(([, all], i) =>
        all.map(([below, message]) => [[i, ...below], message] as const),
      )
      const empty = checks.has('non_empty')
        ? [wrong([], /^must not be an empty list$|^must have a rule/)]
        : []
      return [wrong('a', /^must be a list/), ...empty, [items.map(([value]) => value), says]]
    }
    case 'strict_object': {
      const keys = Object.keys(shape.entries ?? {})
      const misspelt = Object.fromEntries(keys.map((key) => [almost(key), 1]))
      const says = keys.map((key) => {
        const message = `^unknown key \`${almost(key)}\`; did you mean \`${key}\`\\?\nAllowed: `
        return [[almost(key)], new RegExp(message)] as const
      })
      const inherited = [['constructor'], /^unknown key `constructor`\nAllowed: /] as const
      return [
        ...[wrong('a', /^must be/), wrong([1], /^must be/)],
        [{ ...misspelt, constructor: 1 }, [...says, inherited]],
      ]
    }
    case 'record':
      return [wrong('a', /^must be/), wrong([1], /^must be/)]
    default:
      return [wrong(true, /^must be/)]
  }
}

/** `pattern`, `min` and `max` of a claim are read together, so their mistakes are those of the claim. */
const isReadTogether = ({ table }: Place) => table === 'claim'
/** Of an absent `GATE` its keys are told; a tool with an empty table lacks `scopes`, and not `any`. */
const REQUIRED = PLACES.filter(
  ({ table, key, isRequired }) => isRequired && key !== 'GATE' && table !== 'mcp-scopes',
)

describe.each(PLACES)('$table: $key', (place) => {
  const at = isReadTogether(place) ? place.path.slice(0, -1) : place.path

  it('accepts its example and its default', () => {
    const vars = withValue(place, place.example)
    expect(mistakesIn(vars)).toEqual([])
    expect(editorMistakesOfVars(vars)).toEqual([])
    const byDefault = mistakesIn(withValue(place, place.fixed))
    expect(byDefault.filter(({ path }) => path.startsWith(pathText('', place.path)))).toEqual([])
  })

  it('refuses other kinds of values, empty lists and misspelt names, and says where and why', () => {
    for (const [value, says] of wrongOf(place.shape)) {
      const vars = withValue(place, value)
      const found = mistakesIn(vars)
      for (const [below, message] of says) {
        const where = pathText('', [...at, ...below])
        const told = found.filter(({ path }) => path === where)
        const expected = [{ message: expect.stringMatching(message) }]
        expect(told, JSON.stringify(value)).toMatchObject(expected)
      }
      // A variable may be JSON as text, which an editor does not read, or a list that goes on in another.
      const isPart = place.table === 'policy' && (value === 'a' || (value as []).length === 0)
      if (!isPart) expect(editorMistakesOfVars(vars), JSON.stringify(value)).not.toEqual([])
    }
  })
})

it.each(REQUIRED)('$table: $key is required', (place) => {
  const where = pathText('', place.path)
  const told = mistakesIn(withValue(place, undefined)).filter(({ path }) => path === where)
  expect(told).toMatchObject([{ message: expect.stringMatching(/^is required|^must have/) }])
})

/** Keys that a public rule may have; the last three have mistakes of their own. */
const ON_PUBLIC = [
  ...['match', 'host', 'resource', 'access', 'cors', 'origin', 'origin_via', 'strip_prefix'],
  ...['timeout', 'remove_response_headers', 'forward_token', 'encoded_slash', 'ambiguous_paths'],
  ...['audit_path', 'audit_mask'],
  ...['mode', 'mcp', 'inject', 'scopes', 'single_use'],
]

it.each(PLACES.filter(({ table, key }) => table === 'rule' && !ON_PUBLIC.includes(key)))(
  '$key has no place on a public rule, which reads no token',
  (place) => {
    const { ROUTES } = withValue(place, place.example)
    const [{ scopes: _, ...rule }] = ROUTES as [Tree]
    expect(
      mistakesIn({ ...BASE, ROUTES: [{ ...rule, access: 'public' }, BASE.ROUTES[1]] }),
    ).toEqual([
      {
        path: `ROUTES[0].${place.key}`,
        message: 'has no effect on a public rule, which reads no token; remove it',
      },
    ])
  },
)

const namesOf = (places: readonly Place[]) => places.map(({ table, key }) => `${table}.${key}`)
const isRefused = (place: Place, value: unknown) =>
  mistakesIn(withValue(place, value)).some(({ path }) => path === pathText('', place.path))

it('these keys are required, and no others', () => {
  expect(namesOf(PLACES.filter(({ isRequired }) => isRequired))).toEqual([
    ...['policy.GATE', 'gate.resource', 'gate.origin', 'console.host', 'issuer.issuer'],
    ...['events.issuer', 'events.audience', 'poll.endpoint', 'poll.authorization'],
    ...['events.jwks_uri'],
    ...['decrypt.secret', 'actor.sub', 'policy.ROUTES', 'rule.match', 'scopes.any'],
    ...['authorization-details.type', 'when.condition', 'cors.origins', 'credential.headers'],
    ...['mcp-scopes.any', 'mcp-name.scopes', 'grant.issuer', 'grant.claims', 'grant.scopes'],
    ...['transmit.audience', 'transmit.endpoint', 'transmit.authorization'],
  ])
})

it('a list must not be empty, but for those that mean none', () => {
  const lists = PLACES.filter(({ shape, table }) => shape.type === 'array' && table !== 'policy')
  expect(namesOf(lists.filter((place) => !isRefused(place, [])))).toEqual([
    ...['assertion.withdrawn', 'gate.strip_headers', 'gate.lift', 'issuer.required_claims'],
    ...['delegation.issuers', 'cors.headers', 'cors.expose', 'mcp.offered_scopes', 'grant.scopes'],
    ...['audit.path_values', 'audit.claims'],
  ])
})

/** The least and the most that a number may be. */
const BOUNDS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  'revocation.shards': [1, 64],
  'assertion.max_body': [1, 4_194_304],
  'address-limit.limit': [1, 1_000_000],
  'gate.in_flight': [1, 100_000],
  'unread-body.max_body': [0, 268_435_456],
  'journal.allowed': [0, 1],
  'delegation.max_depth': [0, 10],
  'rate-limit.limit': [1, 1_000_000],
  'rate-limit.daily': [1, 1_000_000],
  'rule.in_flight': [1, 100_000],
  'mcp.max_body': [1024, 4_194_304],
  'audit.shards': [1, 64],
  'watch.throttle': [1, 1_000_000],
  'watch.at_most': [0, 100],
}
const NUMBERS = PLACES.filter(({ table, shape }) => shape.type === 'number' && table !== 'claim')

it.each(NUMBERS)('$table: $key is a number within its bounds', (place) => {
  const [least = 0, most = 0] = BOUNDS[`${place.table}.${place.key}`] ?? []
  const values = [least - 1, least, most, most + 1]
  expect(values.map((value) => isRefused(place, value))).toEqual([true, false, false, true])
})

/** What `showPolicy` gives for a place in a policy. */
const valueAt = ([variable, ...inner]: Path, shown: ShownPolicy): unknown => {
  const names: Readonly<Record<string, unknown>> = {
    ...shown,
    grants: Object.values(shown.grants ?? {}),
  }
  return inner.reduce<unknown>(
    (at, step) => (at as Tree | undefined)?.[step],
    names[String(variable).toLowerCase()],
  )
}

/** Durations as they are shown. */
const inSeconds = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(inSeconds)
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inSeconds(one)]))
  }
  const ms = typeof value === 'string' ? durationMs(value) : undefined
  return ms === undefined ? value : `${ms / 1000}s`
}

/** What applies to rules is shown there: of `GATE` it is only the default. */
const OF_RULES = [
  'origin',
  'origin_via',
  'timeout',
  'on_revocation',
  'on_expiry',
  'finish_within',
  'mode',
]

/** What is shown of an example that is not shown as it is written. */
const SHOWN: Readonly<Record<string, unknown>> = {
  'policy.GATE': { resource: GATE.resource },
  'policy.ROUTES': { 0: { match: 'GET /v1/documents/{id}', scopes: ['documents:read'] } },
  'gate.assertion': { binding: 'request' },
  'gate.shared_ids': undefined,
  'issuer.events': { 0: { issuer: 'https://idp.acme.example', accept: { length: 2 } } },
  'issuer.jwks': { keys: [{ kid: undefined }] },
  'actor.sub': 'alice',
  'actor.issuer': { issuer: ACME.issuer },
  'delegation.issuers': ['https://partner.example'],
  'when.condition': 'request.country in ["DE"]',
  'cors.expose': { 0: 'x-total', 1: 'WWW-Authenticate' },
  'rule.remove_response_headers': ['server', 'x-powered-by'],
  'rule.inject': { authorization: 'redacted' },
  'rule.revocation': { consistency: 'strict' },
  'mcp-name.scopes': ['files:read', 'files:read:{arguments.project}'],
  'audit.max_size': '9000MB',
}
/** A table with nothing but one key is shown as the value of that key. */
const SHORT = ['actor.sub', 'actor.issuer', 'when.condition', 'mcp-name.scopes']

it.each(PLACES)('$table: $key is shown as it is written', (place) => {
  const { table, key, path } = place
  const name = `${table}.${key}`
  const read = parsePolicy(withValue(place, place.example), BOUND)
  if (!read.ok) throw new Error('has a mistake')
  const isOfRules = table === 'gate' && OF_RULES.includes(key)
  const from = isOfRules ? ['ROUTES', 0, key] : SHORT.includes(name) ? path.slice(0, -1) : path
  const shown = valueAt(from, showPolicy(read.value.policy))
  const expected = Object.hasOwn(SHOWN, name) ? SHOWN[name] : inSeconds(place.example)
  if (isObject(expected)) expect(shown).toMatchObject(expected)
  else expect(shown).toEqual(expected)
})
