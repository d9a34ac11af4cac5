import { isObject, type JsonObject, listOf, objectOf, own, ownText } from '../../gate/base/json.ts'
import { issueIf, type PolicyIssue, quote } from '../../gate/policy/reading/issues.ts'

/** The gate's own classes, by the binding through which it uses each. */
export const OBJECT_CLASSES = {
  AGENTS: 'AgentRegistry',
  APPROVALS: 'ApprovalStore',
  ASSERTION_KEY_SERVICE: 'AssertionKeyService',
  AUDIT_LOG: 'AuditLog',
  KEY_SERVICE: 'KeyService',
  RATE_LIMITER: 'RateLimiter',
  REPLAYS: 'ReplayShard',
  REVOCATIONS: 'RevocationShard',
} as const

type BindingName = keyof typeof OBJECT_CLASSES

const ALL = 'every token would be refused'

/** What happens without a class that can be used. */
const COSTS: Readonly<Record<BindingName, string>> = {
  AGENTS: 'no agent could be registered, approved or suspended',
  APPROVALS: 'no call could wait for a person; no rule asks for one yet',
  ASSERTION_KEY_SERVICE: ALL,
  AUDIT_LOG: 'no decision would be stored',
  KEY_SERVICE: ALL,
  RATE_LIMITER: 'every request to a rule with rate_limit would be refused',
  REPLAYS: 'every request to a rule with single_use, or with a DPoP proof, would be refused',
  REVOCATIONS: ALL,
}

const BINDING_NAMES = Object.keys(OBJECT_CLASSES) as readonly BindingName[]

/** A Durable Object binding as it is written. */
export interface ObjectBinding {
  readonly className: string | undefined
  /** The Worker that has the class, if it is another one. This file does not declare it then. */
  readonly scriptName?: string
}

/** How one environment declares the classes of its Durable Objects. */
export interface ObjectClasses {
  /** The classes with SQLite storage: the gate cannot use others. */
  readonly sqlite: ReadonlySet<string>
  /** Where it declares them. wrangler rejects a file with both. */
  readonly by: 'exports' | 'migrations'
  /** The prefix of the table of a further declaration: empty, or `env.x.`. */
  readonly inside: string
}

/** The parts of an environment that are checked. */
interface Written {
  readonly bindings: { readonly durable_object: ReadonlyMap<string, ObjectBinding> }
  readonly classes: ObjectClasses
}

/** What an entry of a `durable_objects` table says. */
export function objectBinding(entry: JsonObject): ObjectBinding {
  const scriptName = ownText(entry, 'script_name')
  return { className: ownText(entry, 'class_name'), ...(scriptName && { scriptName }) }
}

/**
 * The classes that an environment declares. Without `exports` or `migrations` of its own, it inherits the whole table
 * of the top level.
 */
export function objectClasses(table: JsonObject, top = table, env?: string): ObjectClasses {
  const read = (key: ObjectClasses['by']) => own(table, key) ?? own(top, key)
  const exported = read('exports')
  const objects = Object.entries(objectOf(exported)).filter(
    ([, entry]) => isObject(entry) && own(entry, 'type') === 'durable-object',
  )
  const migrations = tables(read('migrations'))
  const by = objects.length === 0 && migrations.length > 0 ? 'migrations' : 'exports'
  return {
    by,
    inside: env !== undefined && own(table, by) !== undefined ? `env.${env}.` : '',
    sqlite:
      by === 'migrations'
        ? migrated(migrations)
        : new Set(objects.flatMap(([name, entry]) => (isUsable(entry as JsonObject) ? name : []))),
  }
}

/** States of a class that exists. In all other states the class was deleted, renamed or transferred. */
const LIVE: readonly unknown[] = ['created', 'expecting-transfer']

const isUsable = (entry: JsonObject): boolean =>
  own(entry, 'storage') === 'sqlite' && LIVE.includes(own(entry, 'state') ?? 'created')

/** The SQLite classes that exist after all migrations. A class that another Worker transferred does not count. */
const migrated = (migrations: readonly JsonObject[]): ReadonlySet<string> => {
  const classes = new Set<unknown>()
  for (const migration of migrations) {
    for (const name of listOf(own(migration, 'deleted_classes'))) classes.delete(name)
    for (const { from, to } of tables(own(migration, 'renamed_classes'))) {
      if (classes.delete(from)) classes.add(to)
    }
    for (const name of listOf(own(migration, 'new_sqlite_classes'))) classes.add(name)
  }
  return classes as ReadonlySet<string>
}

/**
 * Mistakes in the needed bindings that exist: the wrong class, or a class that is not declared with SQLite storage. A
 * class of another Worker is not checked.
 */
export function objectIssues(
  needed: ReadonlySet<string>,
  { bindings, classes }: Written,
): readonly PolicyIssue[] {
  return BINDING_NAMES.flatMap((name) => {
    const written = needed.has(name) ? bindings.durable_object.get(name) : undefined
    if (!written || written.scriptName !== undefined) return []
    const meant = OBJECT_CLASSES[name]
    const { className } = written
    const said = className === undefined ? 'no class_name' : `class_name ${quote(className)}`
    const place = classes.by === 'exports' ? `exports.${meant}` : 'migrations'
    const lack = classes.by === 'exports' ? 'is not there' : `have no ${meant}`
    return [
      ...issueIf(
        className !== meant,
        `bindings.${name}`,
        `has ${said}, and the gate's class is another; write ${bindingText(name)}`,
      ),
      ...issueIf(
        !classes.sqlite.has(meant),
        place,
        `${lack} with SQLite storage, and the gate can use no other: ${COSTS[name]}; write ${declarationText(meant, classes)}`,
      ),
    ]
  })
}

/** What to write for each binding that is missing, by the path of its mistake. */
export function objectAdvice(
  issues: readonly PolicyIssue[],
  { classes }: Pick<Written, 'classes'>,
  inside: string,
): Readonly<Record<string, string>> {
  const missing = BINDING_NAMES.filter((name) =>
    issues.some(({ path }) => path === `bindings.${name}`),
  )
  return Object.fromEntries(
    missing.map((name) => {
      const meant = OBJECT_CLASSES[name]
      const declared = classes.sqlite.has(meant) ? '' : `, and ${declarationText(meant, classes)}`
      const place = `among the bindings of [${inside}durable_objects]`
      return [`bindings.${name}`, `write ${bindingText(name)} ${place}${declared}`]
    }),
  )
}

const bindingText = (name: BindingName): string =>
  `{ name = "${name}", class_name = "${OBJECT_CLASSES[name]}" }`

const declarationText = (name: string, { by, inside }: ObjectClasses): string =>
  by === 'migrations'
    ? `a further [[${inside}migrations]] with a tag and new_sqlite_classes = ["${name}"]`
    : `[${inside}exports.${name}] with type = "durable-object" and storage = "sqlite"`

const tables = (value: unknown): readonly JsonObject[] => listOf(value).filter(isObject)
