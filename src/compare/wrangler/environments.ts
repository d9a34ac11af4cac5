import { isObject, type JsonObject, listOf, objectOf, own, ownText } from '../../gate/base/json.ts'
import { distance, type PolicyIssue } from '../../gate/policy/reading/issues.ts'
import {
  type ObjectBinding,
  type ObjectClasses,
  objectBinding,
  objectClasses,
} from './durable-objects.ts'

/** One environment of a wrangler file, as a deploy would give it to the Worker. */
export interface Environment {
  /** `undefined` for the top level. */
  readonly name?: string
  /** As written, with `triggers`, `alias` and `build` of the top level if it has none of its own. */
  readonly table: JsonObject
  readonly vars: JsonObject
  readonly bindings: {
    readonly kv: ReadonlySet<string>
    readonly durable_object: ReadonlyMap<string, ObjectBinding>
    readonly service: ReadonlySet<string>
    readonly ratelimit: ReadonlySet<string>
    /** The bindings that a request can be sent through, each with its table. */
    readonly fetcher: ReadonlyMap<string, string>
  }
  /** Every binding of any kind, by name: the table where the Worker gets one, else `undefined`. */
  readonly bound: JsonObject
  readonly classes: ObjectClasses
  /** Whether a cron trigger is set, here or by inheritance from the top level. */
  readonly hasCron: boolean
  /** Patterns and zones this environment is deployed to, with where they are written. */
  readonly routes: readonly PolicyIssue[]
  /** The key of the top level, `route` or `routes`, whose addresses this environment inherits. */
  readonly inheritedRoutes?: string
  /** Settings by which Cloudflare's cache would answer in place of the gate. */
  readonly cacheIssues: readonly PolicyIssue[]
  /** Mistakes in the table itself. */
  readonly issues: readonly PolicyIssue[]
}

/** Tables that a policy needs. wrangler ignores a misspelt one. */
const TABLES: readonly string[] = [
  'vars',
  'kv_namespaces',
  'durable_objects',
  'exports',
  'migrations',
  'services',
  'mtls_certificates',
  'ratelimits',
  'secrets',
  'triggers',
  'env',
]
/** Names of variables that are sometimes written without `vars.` in front. */
const VARIABLES = /^(?:AUDIT|TEAMS|(?:GATE|ISSUERS|SCOPES|ROUTES|GRANTS|WATCH|TRANSMIT)(?:_.*)?)$/

/** The environments of a wrangler file: the top level first, then each `[env.x]` with what wrangler inherits into it. */
export function environmentsOf(file: JsonObject): readonly Environment[] {
  const top = environment(file, undefined)
  const tables = own(file, 'env')
  const named = isObject(tables) ? Object.entries(tables) : []
  const inherited = Object.fromEntries(
    ['triggers', 'alias', 'build'].map((key) => [key, own(file, key)]),
  )
  return [
    top,
    ...named.map(([name, table]) => {
      if (!isObject(table)) {
        const issues = [{ path: `env.${name}`, message: `must be a table: [env.${name}]` }]
        return { ...environment({}, name), issues }
      }
      const inheritedRoutes = inheritedOf(table, file)
      return {
        ...environment({ ...inherited, ...table }, name),
        classes: objectClasses(table, file, name),
        cacheIssues: cacheIssues(table, file, name),
        ...(inheritedRoutes !== undefined && { inheritedRoutes }),
      }
    }),
  ]
}

/** wrangler inherits `routes` and `route` separately. It uses `route` only if there is no `routes`. */
const inheritedOf = (table: JsonObject, top: JsonObject): 'routes' | 'route' | undefined => {
  const has = (level: JsonObject, key: string) => !isEmpty(own(level, key))
  if (own(table, 'routes') !== undefined) return undefined
  if (has(top, 'routes')) return 'routes'
  return has(top, 'route') && !has(table, 'route') ? 'route' : undefined
}

/** Whether wrangler ignores a value of `route` or `routes`. */
const isEmpty = (value: unknown): boolean =>
  value === undefined || value === '' || (Array.isArray(value) && value.length === 0)

const environment = (table: JsonObject, name: string | undefined): Environment => {
  const vars = own(table, 'vars')
  const issues = [...misspelt(table, name)]
  if (name !== undefined && isObject(vars) && own(vars, 'TEAMS') !== undefined) {
    issues.push({ path: 'TEAMS', message: 'is read at the top level, for every environment' })
  }
  if (vars !== undefined && !isObject(vars)) {
    issues.push({ path: 'vars', message: 'must be a table: [vars.GATE], [vars.ISSUERS.name]' })
  }
  const all = bindingsIn(table)
  const namesIn = (key: string) =>
    new Set(all.flatMap((one) => (one.table === key ? one.name : [])))
  return {
    ...(name !== undefined && { name }),
    table,
    vars: objectOf(vars),
    bindings: {
      kv: namesIn('kv_namespaces'),
      durable_object: new Map(
        all
          .filter((one) => one.table === 'durable_objects')
          .map(({ name, entry }) => [name, objectBinding(entry)]),
      ),
      service: namesIn('services'),
      ratelimit: namesIn('ratelimits'),
      fetcher: new Map(FETCHERS.flatMap((key) => [...namesIn(key)].map((name) => [name, key]))),
    },
    bound: Object.fromEntries(
      all.map((one) => [one.name, one.table === 'version_metadata' ? METADATA : undefined]),
    ),
    classes: objectClasses(table),
    hasCron: listOf(own(objectOf(own(table, 'triggers')), 'crons')).length > 0,
    routes: routesOf(table),
    cacheIssues: cacheIssues(table),
    issues,
  }
}

/** Tables of bindings that a request can be sent through. */
const FETCHERS = ['services', 'mtls_certificates', 'vpc_services', 'vpc_networks']

/** What `[version_metadata]` binds: of all values of bindings, only this one looks like that of a variable. */
const METADATA = { id: '', tag: '', timestamp: '' }

/** Tables whose bindings are named by `name`; in all other tables bindings are named by `binding`. */
const NAMED = ['durable_objects', 'ratelimits', 'send_email', 'unsafe']
const UNBOUND = ['vars', 'env']

/** A binding of any kind as it is written, and the table that it is in. */
export interface Binding {
  readonly name: string
  readonly table: string
  readonly entry: JsonObject
}

/** Every binding of an environment, which inherits none. */
export function bindingsIn(environment: JsonObject): readonly Binding[] {
  return Object.entries(environment).flatMap(([table, value]) => {
    if (UNBOUND.includes(table)) return []
    const entries = isObject(value)
      ? [value, ...listOf(own(value, 'bindings')), ...listOf(own(value, 'producers'))]
      : listOf(value)
    return entries.filter(isObject).flatMap((entry) => {
      const name = ownText(entry, NAMED.includes(table) ? 'name' : 'binding')
      return name === undefined ? [] : { name, table, entry }
    })
  })
}

/** Each text of `route` and `routes`; `message` contains the pattern or zone. */
const routesOf = (table: JsonObject): readonly PolicyIssue[] => {
  const routes = listOf(own(table, 'routes')).map((route, i) => [`routes[${i}]`, route] as const)
  return [['route', own(table, 'route')] as const, ...routes].flatMap(([path, route]) => {
    if (typeof route === 'string') return [{ path, message: route }]
    return ['pattern', 'zone_name'].flatMap((key) => {
      const message = ownText(objectOf(route), key)
      return message === undefined ? [] : [{ path: `${path}.${key}`, message }]
    })
  })
}

/** Letters of a name, so that `kvNamespaces` and `kv-namespaces` are read alike. */
const letters = (name: string): string => name.toLowerCase().replace(/[^a-z]/g, '')

const misspelt = (table: JsonObject, env: string | undefined): readonly PolicyIssue[] =>
  Object.keys(table).flatMap((key) => {
    if (TABLES.includes(key)) {
      return env !== undefined && key === 'env'
        ? [{ path: key, message: 'an environment cannot contain environments' }]
        : []
    }
    const inside = env === undefined ? '' : `env.${env}.`
    if (VARIABLES.test(key)) {
      const [name] = /^ISSUERS/.test(key) ? Object.keys(objectOf(own(table, key)) ?? {}) : []
      const header = `[${inside}vars.${key}${name === undefined ? '' : `.${name}`}]`
      const written = /^(?:ROUTES|GRANTS)/.test(key) ? `[${header}]` : header
      return [{ path: key, message: `is not read here; write it as ${written}` }]
    }
    const meant = TABLES.find((one) => {
      const limit = one.length < 5 ? 1 : 2
      return distance(letters(key), letters(one), limit) !== undefined
    })
    return meant === undefined
      ? []
      : [{ path: key, message: `is not read; did you mean [${inside}${meant}]?` }]
  })

/**
 * Settings that turn on Cloudflare's cache for Workers, in front of the gate or of its previews. An environment
 * inherits `cache`, `exports` and `previews`, each as a whole, if it has none of its own. Only the entrypoint `default`
 * is checked, which is the gate.
 */
const cacheIssues = (
  table: JsonObject,
  top: JsonObject = table,
  env?: string,
): readonly PolicyIssue[] => {
  const isOn = (first: string, ...path: readonly string[]) =>
    [...path, 'enabled'].reduce<unknown>(
      (value, key) => (isObject(value) ? own(value, key) : undefined),
      own(table, first) ?? own(top, first),
    )
  const ofGate = isOn('exports', 'default', 'cache')
  const found = {
    'exports.default.cache': ofGate,
    // The setting of an entrypoint takes precedence over the one for all.
    cache: ofGate === undefined && isOn('cache'),
    'previews.cache': isOn('previews', 'cache'),
  }
  const inside = (path: string) => {
    const isOwn = own(table, path.split('.', 1)[0] ?? '') !== undefined
    return env !== undefined && isOwn ? `env.${env}.` : ''
  }
  return Object.entries(found)
    .filter(([, enabled]) => enabled === true)
    .map(([path]) => ({
      path: `${path}.enabled`,
      message: `is true: Cloudflare would answer before the gate runs, with answers that it cached for other callers; write enabled = false in [${inside(path)}${path}]`,
    }))
}
