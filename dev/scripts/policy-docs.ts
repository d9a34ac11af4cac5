import { posix } from 'node:path'
import { isObject } from '../../src/gate/base/json.ts'
import type { Field, Fields } from '../../src/gate/policy/reading/table.ts'
import { type DocumentedTable, POLICY_KEYS, TABLES } from '../../src/gate/policy/tables.ts'

/** Where the JSON Schema of policies is. */
export const SCHEMA_FILE = 'docs/policy.schema.json'

/** Where that of a whole wrangler.toml is made. */
export const CONFIG_SCHEMA_FILE = 'config-schema.json'

type Json = Readonly<Record<string, unknown>>

/** The parts of a field that say what may be written; see `Form` and valibot's schemas. */
interface Shape {
  readonly type: string
  readonly options?: readonly unknown[]
  readonly value?: unknown
  readonly item?: unknown
  readonly entries?: Fields
  readonly pipe?: readonly { readonly type: string; readonly requirement?: unknown }[]
}

const isRequired = (field: Field<unknown> | undefined): boolean =>
  field !== undefined && 'required' in field

/** A value as TOML writes it on one line. */
export const toml = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(toml).join(', ')}]`
  if (typeof value === 'string') return /["\\]/.test(value) ? `'${value}'` : JSON.stringify(value)
  if (typeof value !== 'object' || value === null) return String(value)
  const pairs = Object.entries(value).map(([key, one]) => {
    const name = /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key)
    return `${name} = ${toml(one)}`
  })
  return `{ ${pairs.join(', ')} }`
}

/** Links are written relative to docs/; a page has them relative to itself. */
const linkedFrom = (page: string, text: string): string =>
  text.replace(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g, (_all, path: string, anchor = '') => {
    const target = posix.join('docs', path)
    return `](${target === page ? anchor : posix.relative(posix.dirname(page), target) + anchor})`
  })

/** The rows of the table of keys that a page has: key, default, meaning, example. */
export const keyRows = ({ keys, docs }: DocumentedTable, page: string): readonly string[][] =>
  Object.entries(docs).map(([key, doc]) => {
    const fixed = doc.default === undefined ? 'none' : `\`${toml(doc.default)}\``
    const unset = isRequired(keys[key]) ? 'required' : (doc.unset ?? fixed)
    return [`\`${key}\``, unset, linkedFrom(page, doc.description), `\`${toml(doc.example)}\``]
  })

/** Markdown without its links. */
const plain = (text: string): string => text.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1')

/** The documented table that has these keys, some of them or all. Throws where there is none. */
const documentedOf = (entries: Fields): readonly [name: string, table: DocumentedTable] => {
  const found = Object.entries<DocumentedTable>(TABLES).find(([, { keys }]) =>
    Object.entries(entries).every(([key, field]) => keys[key] === field),
  )
  if (!found) throw new Error(`no table in TABLES has the keys ${Object.keys(entries).join(', ')}`)
  return found
}

/** What a table may hold, in JSON Schema: no key that is not documented. */
export const tableSchema = (entries: Fields, { docs }: DocumentedTable): Json => {
  const required = Object.keys(entries).filter((key) => isRequired(entries[key]))
  const properties = Object.entries(entries).map(([key, field]) => {
    const doc = docs[key]
    if (!doc) throw new Error(`no documentation of the key ${key}`)
    const { description, default: fixed, unset, example } = doc
    const more = unset === undefined ? '' : ` Default: ${plain(unset)}.`
    return [
      key,
      {
        ...schemaOf(field),
        description: plain(description) + more,
        ...(fixed !== undefined && { default: fixed }),
        examples: [example],
      },
    ]
  })
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  }
}

const LIMITS: Readonly<Record<string, string>> = {
  min_value: 'minimum',
  max_value: 'maximum',
  max_length: 'maxItems',
}

/** What is checked of a number or list behind its type. */
const checks = ({ pipe = [] }: Shape): Json =>
  Object.fromEntries(
    pipe.flatMap(({ type, requirement }) => {
      if (type === 'integer') return [['type', 'integer']]
      if (type === 'non_empty') return [['minItems', 1]]
      const name = LIMITS[type]
      return name === undefined ? [] : [[name, requirement]]
    }),
  )

/** A field as JSON Schema: its form. What text says is for the gate to read. */
const schemaOf = (field: unknown): Json => {
  const shape = field as Shape
  switch (shape.type) {
    case 'string':
    case 'boolean':
      return { type: shape.type }
    case 'number':
      return { type: 'number', ...checks(shape) }
    case 'picklist':
      return { enum: shape.options }
    case 'array':
      return { type: 'array', items: schemaOf(shape.item), ...checks(shape) }
    case 'union':
      return { anyOf: (shape.options ?? []).map(schemaOf) }
    case 'record':
      return {
        type: 'object',
        ...(shape.value !== undefined && { additionalProperties: schemaOf(shape.value) }),
      }
    case 'strict_object': {
      const entries = shape.entries ?? {}
      const [name, table] = documentedOf(entries)
      const isWhole = Object.keys(entries).length === Object.keys(table.keys).length
      return isWhole ? { $ref: `#/$defs/${name}` } : tableSchema(entries, table)
    }
    default:
      return {}
  }
}

/** A variable as it may be written: a table or list, also an empty one, or text that is JSON. */
const variable = ({ type, minItems: _, ...rest }: Json): Json => ({
  ...(type !== undefined && { type: [type, 'string'] }),
  ...rest,
})

/**
 * The JSON Schema of wrangler.toml as far as it is policy: `[vars]` at the top and of environments. A variable may be
 * split (`ROUTES_01`), and a part of `GATE` need not have the keys that another has. Text is not read.
 */
export const policySchema = (tables: Readonly<Record<string, DocumentedTable>> = TABLES): Json => {
  const schemas = Object.entries(tables).map(([name, table]) => [
    name,
    tableSchema(table.keys, table),
  ])
  const { policy, gate, ...defs } = Object.fromEntries(schemas)
  const { required, ...part } = gate
  const names = Object.keys(POLICY_KEYS)
  const ref = (name: string) => ({ $ref: `#/$defs/policy/properties/${name}` })
  const vars = {
    type: 'object',
    properties: {
      ...Object.fromEntries(names.map((name) => [name, ref(name)])),
      TEAMS: { type: 'object', additionalProperties: { $ref: '#/$defs/team' } },
    },
    patternProperties: Object.fromEntries(names.map((name) => [`^${name}_`, ref(name)])),
    allOf: required.map((key: string) => ({
      if: { patternProperties: { '^GATE_': { not: { required: [key] } } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { properties: { GATE: { required: [key] } } },
    })),
  }
  const variables = Object.entries<Json>(policy.properties).map(([name, one]) => [
    name,
    variable(one),
  ])
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'The policy of Edgewarden in wrangler.toml',
    type: 'object',
    properties: {
      vars,
      env: {
        type: 'object',
        additionalProperties: { type: 'object', properties: { vars } },
      },
    },
    $defs: {
      policy: { ...policy, properties: Object.fromEntries(variables) },
      gate: variable(part),
      ...defs,
    },
  }
}

/** Whether a keyword is left out: what refuses unknown keys, and text that repeats `description` in Markdown. */
const isDropped = ([key, value]: readonly [string, unknown]): boolean =>
  (key === 'additionalProperties' && value === false) ||
  (key === 'markdownDescription' && typeof value === 'string')

/** A schema of wrangler that refuses no key it does not know, since a newer wrangler may know it. */
const open = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(open)
  if (!isObject(schema)) return schema
  const kept = Object.entries(schema).filter((one) => !isDropped(one))
  return Object.fromEntries(kept.map(([key, one]) => [key, open(one)]))
}

/**
 * The JSON Schema of a whole wrangler.toml, by that of wrangler (its config-schema.json): wrangler's keys and the
 * policy. One file without references to others: TOML language servers do not follow those that are relative.
 */
export const configSchema = (wrangler: Json): Json => {
  const { $defs, $schema, title: _, ...policy } = policySchema()
  return {
    ...wrangler,
    $schema,
    title: 'wrangler.toml with the policy of Edgewarden',
    definitions: open(wrangler.definitions),
    allOf: [...(wrangler.allOf as readonly Json[]), policy],
    $defs,
  }
}
