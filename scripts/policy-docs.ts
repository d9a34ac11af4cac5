import { posix } from 'node:path'
import type { Field, Fields } from '../src/policy/table.ts'
import { type DocumentedTable, TABLES } from '../src/policy/tables.ts'

/** Where the JSON Schema of policies is. */
export const SCHEMA_FILE = 'docs/policy.schema.json'

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

/**
 * The JSON Schema of wrangler.toml as far as it is policy: `[vars]` at the top and of environments. A variable may
 * be split (`ROUTES_01`), and a part of `GATE` need not have its required keys. Text that holds JSON is not taken.
 */
export const policySchema = (tables: Readonly<Record<string, DocumentedTable>> = TABLES): Json => {
  const defs = Object.entries(tables).map(([name, { keys, docs }]) => [
    name,
    tableSchema(keys, { keys, docs }),
  ])
  const ref = (name: string) => ({ $ref: `#/$defs/policy/properties/${name}` })
  const vars = {
    type: 'object',
    properties: { GATE: ref('GATE') },
    patternProperties: {
      '^GATE_': { $ref: '#/$defs/gate-part' },
      '^ISSUERS(_|$)': ref('ISSUERS'),
      '^ROUTES(_|$)': ref('ROUTES'),
      '^SCOPES(_|$)': ref('SCOPES'),
    },
  }
  const { required: _, ...part } = tableSchema(TABLES.gate.keys, TABLES.gate)
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
    $defs: { ...Object.fromEntries(defs), 'gate-part': part },
  }
}
