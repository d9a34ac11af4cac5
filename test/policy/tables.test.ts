import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { parse as parseToml } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { keyRows, policySchema, tableSchema } from '../../scripts/policy-docs.ts'
import { isObject, own } from '../../src/core/json.ts'
import { fail, ok } from '../../src/core/result.ts'
import { flag, text } from '../../src/policy/fields.ts'
import { GATE_DOCS, GATE_KEYS } from '../../src/policy/gate.ts'
import type { Report } from '../../src/policy/issues.ts'
import { showPolicy } from '../../src/policy/show.ts'
import { showTable } from '../../src/policy/show-parts.ts'
import { type KeyDocs, readField, readTable, type TableInput } from '../../src/policy/table.ts'
import { type DocumentedTable, documented, TABLES } from '../../src/policy/tables.ts'
import { ROOT } from '../kit/repository.ts'
import { ACME, CHAT, GATE, parse } from './support.ts'

const ROWS = Object.entries<DocumentedTable>(TABLES).flatMap(([name, { keys, docs }]) =>
  Object.entries(docs).map(([key, doc]) => ({ name, key, doc, field: keys[key] })),
)

describe('a row of the documentation', () => {
  it.each(ROWS)('has an example and a default that are read: $name, $key', ({ doc, field }) => {
    const mistakes: string[] = []
    const report: Report = (path, message) => mistakes.push(`${path.join('.')}: ${message}`)
    if (!field) throw new Error('a row without a key')
    readField(field, doc.example, report)
    if (doc.default !== undefined && !isEmpty(doc.default)) readField(field, doc.default, report)
    expect(mistakes).toEqual([])
  })

  it('has the default that is in force where the key is absent', () => {
    const bundle = parse({ GATE: { resource: GATE.resource, origin: GATE.origin } })
    if (!bundle.ok) throw new Error(JSON.stringify(bundle.reason))
    const { gate, issuers, routes } = showPolicy(bundle.value.policy)
    const { acme = {} } = issuers
    const shown: readonly (readonly [table: DocumentedTable, shown: object])[] = [
      [TABLES.gate, { ...gate, assertion: 'identity' }],
      [TABLES.journal, gate.journal as object],
      [TABLES.assertion, gate.assertion as object],
      [TABLES.revocation, gate.revocation as object],
      [TABLES.issuer, acme],
      [TABLES['jwks-cache'], acme.jwks_cache as object],
      [TABLES.rule, routes[0] ?? {}],
    ]
    const compared = shown.flatMap(([{ docs }, now]) =>
      Object.entries(docs).flatMap(([key, { default: told }]) =>
        told === undefined || !(key in now)
          ? []
          : [{ key, told: plainTime(told), now: plainTime(own(now as never, key)) }],
      ),
    )
    expect(compared.length).toBeGreaterThan(30)
    for (const { key, told, now } of compared) {
      if (isObject(told)) expect(now, key).toMatchObject(told)
      else expect(now, key).toEqual(told)
    }
  })
})

const isEmpty = (value: unknown) => Array.isArray(value) && value.length === 0

/** Durations in seconds, as they are shown. */
const plainTime = (value: unknown): unknown => {
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plainTime(one)]))
  }
  const [, count, unit = ''] = /^(\d+)([mh])$/.exec(String(value)) ?? []
  return count === undefined ? value : `${Number(count) * (unit === 'h' ? 3_600 : 60)}s`
}

describe('the JSON Schema', () => {
  const accepts = new Ajv({ allErrors: true }).compile(policySchema())
  const mistakesOf = (file: object) => (accepts(file) ? [] : accepts.errors)
  const pages = ['README.md', ...readdirSync(join(ROOT, 'docs'), { recursive: true })].flatMap(
    (path) => (String(path).endsWith('.md') ? [path === 'README.md' ? path : `docs/${path}`] : []),
  )
  const examples = pages.flatMap((page) => {
    const blocks = readFileSync(join(ROOT, page), 'utf8').matchAll(/^ *```toml\n(.*?)^ *```$/gms)
    return [...blocks].flatMap(([, block = '']) => {
      const file = parseToml(block) as { readonly vars?: { readonly ROUTES?: unknown } }
      // One table of a rule alone is no list of rules.
      return file.vars && !isObject(file.vars.ROUTES) ? [{ page, file }] : []
    })
  })

  it('accepts wrangler.toml', () => {
    const file = parseToml(readFileSync(join(ROOT, 'wrangler.toml'), 'utf8'))
    expect(file).toHaveProperty('vars.ROUTES')
    expect(mistakesOf(file)).toEqual([])
  })

  it('accepts every policy that a page shows', () => {
    expect(examples.length).toBeGreaterThan(20)
    for (const { page, file } of examples) {
      const { GATE: gate, ...rest } = file.vars as { readonly GATE?: object }
      // A page may show some keys of GATE only.
      const vars = { ...rest, ...(gate && { GATE: { ...GATE, ...gate } }) }
      expect(mistakesOf({ ...file, vars }), page).toEqual([])
    }
  })

  it('accepts the example of every key', () => {
    const ajv = new Ajv({ allErrors: true })
    const { $defs } = policySchema()
    for (const { name, key, doc } of ROWS) {
      const schema = { $defs, $ref: `#/$defs/${name}/properties/${key}` }
      expect(ajv.validate(schema, doc.example), `${name}, ${key}`).toBe(true)
    }
  })

  it('refuses a key that is misspelt in each table', () => {
    const { resource, origin } = GATE
    const refused: readonly object[] = [
      { GATE: { resource, orgin: origin } },
      { GATE: { ...GATE, journal: { allow: 1 } } },
      { GATE_LOCAL: { host: ['localhost'] } },
      { ISSUERS: { acme: { ...ACME, audience: ['x'] } } },
      { ISSUERS: { acme: { ...ACME, decrypt: { secret: 'A', keys: [] } } } },
      { ROUTES: [{ ...CHAT, method: 'GET' }] },
      { ROUTES_01: [{ ...CHAT, rate_limit: { limit: 1, periode: '1s' } }] },
      { ROUTES: [{ ...CHAT, mcp: { tools: { a: { scope: [] } } } }] },
      { ROUTES: [{ ...CHAT, delegation: { actors: [{ subject: 'a' }] } }] },
    ]
    for (const vars of refused) expect(accepts({ vars }), JSON.stringify(vars)).toBe(false)
    expect(accepts({ env: { production: { vars: refused[0] } } })).toBe(false)
    const fine = { GATE, ISSUERS: { acme: ACME }, ROUTES: [CHAT], OTHER: { any: 'thing' } }
    expect(mistakesOf({ vars: fine })).toEqual([])
  })
})

/**
 * One file is touched for a new key: that of its table, here src/policy/gate.ts. The schema row goes into
 * `GATE_KEYS`, the documentation row into `GATE_DOCS` below it; what follows here comes from these two.
 */
describe('a new key of GATE', () => {
  const KEYS = {
    ...GATE_KEYS,
    motto: text((value) => (value.endsWith('!') ? ok(value) : fail('must end in !'))),
  }
  const DOCS: KeyDocs<typeof KEYS> = {
    ...GATE_DOCS,
    motto: {
      description: 'Said at the [door](configuration/gate.md#keys-of-gate). It is never sent on.',
      default: 'Halt!',
      example: 'Who goes there!',
    },
  }

  const mistakesOf = (gate: object) => {
    const mistakes: string[] = []
    readTable(KEYS, { ...GATE, ...gate }, (path, message) =>
      mistakes.push(`${path.join('.')} ${message}`),
    )
    return mistakes
  }

  it('is read, and its name and value are checked', () => {
    expect(mistakesOf({ motto: 'Hear ye!' })).toEqual([])
    expect(mistakesOf({ motto: 'Hear ye' })).toEqual(['motto must end in !'])
    expect(mistakesOf({ moto: 'Hear ye!' })[0]).toContain('did you mean `motto`?')
  })

  it('is in the table of its page', () => {
    expect(keyRows(documented(KEYS, DOCS), 'docs/configuration/gate.md').at(-1)).toEqual([
      '`motto`',
      '`"Halt!"`',
      'Said at the [door](#keys-of-gate). It is never sent on.',
      '`"Who goes there!"`',
    ])
  })

  it('is in the JSON Schema', () => {
    expect(tableSchema(KEYS, documented(KEYS, DOCS))).toMatchObject({
      properties: {
        motto: {
          type: 'string',
          description: 'Said at the door. It is never sent on.',
          default: 'Halt!',
          examples: ['Who goes there!'],
        },
      },
    })
  })

  it('is in the type of what may be written', () => {
    const input = { resource: 'r', origin: 'o', motto: 'Hear ye!' } satisfies TableInput<
      typeof KEYS
    >
    // @ts-expect-error: another name
    const other: TableInput<typeof KEYS> = { resource: 'r', origin: 'o', moto: 'Hear ye!' }
    // @ts-expect-error: another kind of value
    const kind: TableInput<typeof KEYS> = { ...input, motto: 1 }
    expect([other, kind].map((gate) => mistakesOf(gate).length > 0)).toEqual([true, true])
  })

  it('is shown by itself if it is a flag or a word, and does not compile without a row else', () => {
    const keys = { loud: flag, motto: KEYS.motto }
    const held = { loud: true, motto: 'Halt!' }
    expect(showTable(keys, { motto: ({ motto }) => motto }, held, undefined)).toEqual(held)
    // @ts-expect-error: how is `motto` shown?
    expect(() => showTable(keys, {}, held, undefined)).not.toThrow()
  })

  it('does not compile without its documentation, nor does documentation of no key', () => {
    // @ts-expect-error: `motto` is not documented
    const missing: KeyDocs<typeof KEYS> = GATE_DOCS
    // @ts-expect-error: there is no such key
    const extra: KeyDocs<typeof GATE_KEYS> = { ...GATE_DOCS, moto: DOCS.motto }
    expect([missing, extra]).toHaveLength(2)
  })
})
