import { isObject } from '../../../src/gate/base/json.ts'
import type { PolicyEnv } from '../../../src/gate/policy/reading/env.ts'
import type { Fields } from '../../../src/gate/policy/reading/table.ts'
import { type DocumentedTable, TABLES } from '../../../src/gate/policy/tables.ts'
import { ACME, GATE } from './support.ts'

/** Every key of a policy, from its row, in a policy that has nothing else. */

export type Path = readonly (string | number)[]
export type Tree = Record<string | number, unknown>

/** The parts of a schema that say what may be written. */
export interface Shape {
  readonly type: string
  readonly options?: readonly unknown[]
  readonly value?: Shape
  readonly item?: Shape
  readonly entries?: Fields
  readonly pipe?: readonly { readonly type: string; readonly requirement?: number }[]
}

/** A key, where it stands in a policy. */
export interface Place {
  readonly table: string
  readonly key: string
  readonly path: Path
  readonly shape: Shape
  readonly example: unknown
  /** The default if it may be written. */
  readonly fixed: unknown
  readonly isRequired: boolean
}

/** The tables that a value may have inside, each with where it stands. */
const tablesIn = (shape: Shape, path: Path): readonly (readonly [Fields, Path])[] => [
  ...(shape.entries ? [[shape.entries, path] as const] : []),
  ...(shape.item ? tablesIn(shape.item, [...path, 0]) : []),
  ...(shape.value ? tablesIn(shape.value, [...path, 'acme']) : []),
  ...(shape.type === 'union'
    ? (shape.options as readonly Shape[]).flatMap((one) => tablesIn(one, path))
    : []),
]

/** Every key of every table, where it is met first. */
const placesOf = (entries: Fields, path: Path, seen: Set<string>): readonly Place[] => {
  const found = Object.entries<DocumentedTable>(TABLES).find(([, { keys }]) =>
    Object.entries(entries).every(([key, field]) => keys[key] === field),
  )
  if (!found) throw new Error(`no table has the keys ${Object.keys(entries)}`)
  const [table, { docs }] = found
  if (seen.has(table)) return []
  seen.add(table)
  return Object.entries(entries).flatMap(([key, field]) => {
    const shape = field as unknown as Shape
    const at = [...path, key]
    const isRequired = 'required' in field
    const { example, default: fixed } = docs[key] ?? {}
    const hasDefault = fixed !== undefined && !(Array.isArray(fixed) && fixed.length === 0)
    return [
      { table, key, path: at, shape, example, fixed: hasDefault ? fixed : example, isRequired },
      ...tablesIn(shape, at).flatMap(([inner, where]) => placesOf(inner, where, seen)),
    ]
  })
}
export const PLACES = placesOf(TABLES.policy.keys, [], new Set())

/** A policy whose other parts let every key have an effect. */
export const BASE = {
  GATE: { resource: GATE.resource, origin: GATE.origin },
  ISSUERS: {
    acme: { ...ACME, agent_prefix: 'acme/' },
    agentic: { issuer: 'https://agentic.example', agent_prefix: 'b/', profile: 'agentic-jwt' },
    partner: { issuer: 'https://partner.example', agent_prefix: 'p/' },
    github: {
      issuer: 'https://token.actions.githubusercontent.com',
      agent_prefix: 'gh/',
      profile: 'github-actions',
      scopes_from: 'grants',
      claims: { repository_owner_id: '1' },
    },
  },
  ROUTES: [
    { match: 'GET,POST /v1/{id}/{run}', scopes: [] },
    { match: 'POST /mcp', scopes: [] },
  ],
}

/** What an example needs in the table around it, by the table, or by the table and the key. */
const BESIDE: Readonly<Record<string, object>> = {
  'rate-limit.limit': { period: '1m' },
  'rate-limit.period': { limit: 1 },
  'rate-limit.per': { daily: 9 },
  'address-limit.limit': { period: '1m' },
  'address-limit.period': { limit: 1 },
  'issuer.agentic_forms': { profile: 'agentic-jwt' },
  'issuer.changed': { profile: 'agentic-jwt' },
  'issuer.rules': { admin: 'own' },
  'issuer.operator': {
    admin: 'all',
    rules: false,
    jwks: {
      keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }],
    },
  },
  'person.access': {},
  person: { client_id: 'edgewarden' },
  'issuer.allow_insecure_http': { issuer: 'http://localhost:9000' },
  mcp: { tools: { other: [] } },
  events: { authorization: 'IDP_EVENTS' },
  'events.authorization': {
    poll: { endpoint: 'https://idp.acme.example/poll', authorization: 'IDP_POLL' },
  },
}

/** Without people nobody could approve. */
const PEOPLE = {
  issuer: 'https://people.example',
  ...{ agent_prefix: 'h/', admin: 'own', rules: false, person: { client_id: 'edgewarden' } },
}

/** A team of Cloudflare Access, where people sign in. */
const OF_ACCESS = {
  ...{ issuer: 'https://my-team.cloudflareaccess.com', profile: 'generic' },
  jwks_uri: 'https://my-team.cloudflareaccess.com/cdn-cgi/access/certs',
  audiences: ['4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2'],
}

/** `next`: the key of the table that the path goes on with. */
const requiredOf = (path: Path, table: string | undefined, next: Path[number]): object => {
  const within = PLACES.filter(
    (one) => one.path.length === path.length + 1 && path.every((step, i) => one.path[i] === step),
  )
  const first = within.find(({ key }) => key === next) ?? within[0]
  const own = within.filter((one) => one.table === (table ?? first?.table) && one.isRequired)
  return Object.fromEntries(own.map(({ key, example }) => [key, example]))
}

/** A policy with this value there. Each table around it that was absent has the keys that it requires. */
export const withValue = ({ table, key, path }: Place, value: unknown): Tree => {
  const vars = structuredClone<Tree>(BASE)
  let at = vars
  for (let depth = 1; depth < path.length; depth++) {
    const step = path[depth - 1] ?? ''
    const isLast = depth === path.length - 1
    if (typeof path[depth] === 'number') at[step] ??= []
    else if (!isObject(at[step])) {
      at[step] = requiredOf(path.slice(0, depth), isLast ? table : undefined, path[depth] ?? '')
    }
    at = at[step] as Tree
  }
  const beside = BESIDE[`${table}.${key}`] ?? BESIDE[table]
  Object.assign(at, beside, value === undefined ? {} : { [key]: value })
  if (value === undefined) delete at[key]
  if (path.includes('approval')) {
    Object.assign(vars.GATE as Tree, { console: { host: 'ops.example.com' } })
    Object.assign(vars.ISSUERS as Tree, { people: PEOPLE })
  }
  if (path.includes('effects')) {
    const acme = (vars.ISSUERS as Tree).acme as { events: Tree[] }
    Object.assign(acme.events[0] ?? {}, { authorization: 'IDP_EVENTS' })
  }
  if (path.includes('person')) {
    Object.assign(vars.GATE as Tree, { console: { host: 'ops.example.com' } })
    const acme = (vars.ISSUERS as Tree).acme as Tree
    Object.assign(acme, { admin: 'own' }, key === 'access' && OF_ACCESS)
    if (key === 'access' && value === undefined) at.client_id = 'edgewarden'
  }
  return vars
}

/** Everything that a policy may name is bound. */
export const BOUND: PolicyEnv = { has: () => true, secret: () => undefined }
