import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse as parseToml } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configSchema, keyRows, tableSchema } from '../../../dev/scripts/policy-docs.ts'
import { projectFiles } from '../../../src/command/install/init-files.ts'
import { comparePolicies } from '../../../src/compare/compare.ts'
import { judgesOf } from '../../../src/compare/judges.ts'
import { askedBy } from '../../../src/compare/reach/reachable.ts'
import { RULE_TABLE } from '../../../src/compare/settings.ts'
import { isObject, own } from '../../../src/gate/base/json.ts'
import { fail, ok } from '../../../src/gate/base/result.ts'
import { GATE_KEYS } from '../../../src/gate/policy/keys/gate.ts'
import { GATE_DOCS } from '../../../src/gate/policy/keys/gate-docs.ts'
import { PROFILE_NAMES } from '../../../src/gate/policy/keys/profiles.ts'
import { ROUTE_DOCS } from '../../../src/gate/policy/keys/route-docs.ts'
import { ROUTE_KEYS, type RuleRows } from '../../../src/gate/policy/keys/route-keys.ts'
import { showing, showTable } from '../../../src/gate/policy/keys/show-parts.ts'
import { parsePolicy } from '../../../src/gate/policy/parse.ts'
import { flag, text, word } from '../../../src/gate/policy/reading/fields.ts'
import { kept } from '../../../src/gate/policy/reading/kept.ts'
import {
  type ComparedDocs,
  readTable,
  type TableInput,
} from '../../../src/gate/policy/reading/table.ts'
import { showPolicy } from '../../../src/gate/policy/show.ts'
import { type DocumentedTable, documented, TABLES } from '../../../src/gate/policy/tables.ts'
import { editorMistakes } from '../../kit/config-schema.ts'
import { CONFIG, ROOT } from '../../kit/repository.ts'
import { ACME, CHAT, ENV, GATE, parse } from './support.ts'

const ROWS = Object.entries<DocumentedTable>(TABLES).flatMap(([name, { keys, docs }]) =>
  Object.entries(docs).map(([key, doc]) => ({ name, key, doc, field: keys[key] })),
)

describe('a row of the documentation', () => {
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

/** Durations in seconds, as they are shown. */
const plainTime = (value: unknown): unknown => {
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plainTime(one)]))
  }
  const [, count, unit = ''] = /^(\d+)([mh])$/.exec(String(value)) ?? []
  return count === undefined ? value : `${Number(count) * (unit === 'h' ? 3_600 : 60)}s`
}

const ANSWERS = {
  resource: 'https://api.acme.dev',
  issuer: 'https://auth.acme.dev',
  origin: 'https://origin.acme.dev',
  modelApi: 'openai',
  mcp: 'https://tools.acme.dev/mcp',
}
const projectOf = (answers: typeof ANSWERS & { readonly profile: string }): string => {
  const versions = { edgewarden: '1.0.0', wrangler: '4.0.0', node: '24.0.0' }
  return projectFiles(answers, { name: 'gate', versions, bringsNode: false, imported: [] })[
    'wrangler.toml'
  ]
}

describe('the JSON Schema that editors use', () => {
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

  it('accepts wrangler.toml, and every project that init writes', () => {
    const projects = PROFILE_NAMES.map((profile) => projectOf({ ...ANSWERS, profile }))
    const repository = [join(ROOT, 'wrangler.toml'), CONFIG].map((path) =>
      readFileSync(path, 'utf8'),
    )
    for (const text of [...repository, ...projects]) {
      expect(text).toMatch(/^#:schema \S+config-schema\.json\n/)
      expect(editorMistakes(parseToml(text))).toEqual([])
    }
  })

  it('accepts every policy that a page shows', () => {
    expect(examples.length).toBeGreaterThan(20)
    for (const { page, file } of examples) {
      const { GATE: gate, ...rest } = file.vars as { readonly GATE?: object }
      // A page may show some keys of GATE only.
      const vars = { ...rest, ...(gate && { GATE: { ...GATE, ...gate } }) }
      expect(editorMistakes({ ...file, vars }), page).toEqual([])
    }
  })

  const FINE = { GATE, ISSUERS: { acme: ACME }, ROUTES: [CHAT] }

  it.each([
    ['variables of another kind', { ...FINE, OTHER: { any: 'thing' }, PLAIN: 'text' }],
    ['JSON as text', { GATE: '{}', ISSUERS: '{}', ROUTES: '[]', SCOPES_A: '{}' }],
    ['variables that .dev.vars fills', { ...FINE, GATE_LOCAL: {}, ISSUERS_DEV: {}, ROUTES_L: [] }],
    [
      'GATE in parts',
      { ...FINE, GATE: { origin: GATE.origin }, GATE_X: { resource: GATE.resource } },
    ],
    ['GATE in parts, one of them text', { ...FINE, GATE: '{}', GATE_X: { origin: GATE.origin } }],
  ])('accepts %s', (_, vars) => {
    expect(editorMistakes({ vars, env: { staging: { vars } } })).toEqual([])
  })

  it("accepts wrangler's keys, and such as only a newer wrangler knows", () => {
    const file = { vars: FINE, compatibility_flags: ['nodejs_compat'], from_tomorrow: true }
    expect(editorMistakes({ ...file, observability: { enabled: true, beam: 1 } })).toEqual([])
    expect(editorMistakes({ ...file, triggers: { crons: 3 } })).not.toEqual([])
  })

  it('finds a mistake in the variables of an environment, and of a part of GATE', () => {
    const { resource, origin } = GATE
    const vars = { GATE: { resource, orgin: origin }, GATE_LOCAL: { host: ['localhost'] } }
    const at = { vars: FINE, env: { staging: { vars } } }
    const found = editorMistakes(at).join('\n')
    for (const key of ['GATE: must NOT have additional properties orgin', 'GATE_LOCAL: must NOT']) {
      expect(found).toContain(`/env/staging/vars/${key}`)
    }
    expect(found).toContain("GATE: must have required property 'origin'")
    expect(found).not.toMatch(/^\/vars/m)
  })

  it('says of each key what the documentation says', () => {
    const { $defs } = configSchema({ allOf: [], definitions: {} }) as {
      readonly $defs: Readonly<
        Record<string, { readonly properties: Readonly<Record<string, object>> }>
      >
    }
    for (const { name, key, doc } of ROWS) {
      expect($defs[name]?.properties[key], `${name}, ${key}`).toMatchObject({
        description: expect.stringMatching(/\S.*\.$/s),
        examples: [doc.example],
        ...(doc.default !== undefined && { default: doc.default }),
      })
    }
  })
})

/**
 * Two rows are written for a new key, here one in `GATE_KEYS` of src/gate/policy/keys/gate.ts, and one in `GATE_DOCS`
 * of gate-docs.ts beside it. What follows here comes from these two.
 */
describe('a new key of GATE', () => {
  const KEYS = {
    ...GATE_KEYS,
    motto: text((value) => (value.endsWith('!') ? ok(value) : fail('must end in !'))),
  }
  const DOCS: ComparedDocs<typeof KEYS> = {
    ...GATE_DOCS,
    motto: {
      description: 'Said at the [door](configuration/gate.md#keys-of-gate). It is never sent on.',
      default: 'Halt!',
      example: 'Who goes there!',
      compare: 'neutral',
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

  it('is in the table of its page, and in the JSON Schema', () => {
    const said = 'Said at the door. It is never sent on.'
    const [key, , description] =
      keyRows(documented(KEYS, DOCS), 'docs/configuration/gate.md').at(-1) ?? []
    expect([key, description]).toEqual(['`motto`', said.replace('door', '[door](#keys-of-gate)')])
    expect(tableSchema(KEYS, documented(KEYS, DOCS))).toMatchObject({
      properties: { motto: { type: 'string', description: said, examples: ['Who goes there!'] } },
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

  it('is shown by itself if it is a flag or a word, and does not compile without `show` else', () => {
    const shown = showing<{ readonly motto: string }>()
    const keys = { loud: flag, motto: shown(KEYS.motto, ({ motto }) => `${motto}!`) }
    const held = { loud: true, motto: 'Halt!' }
    expect(showTable(keys, held, undefined)).toEqual({ loud: true, motto: 'Halt!!' })
    // @ts-expect-error: how is `motto` shown?
    expect(() => showTable({ ...keys, motto: KEYS.motto }, held, undefined)).not.toThrow()
  })

  it('does not compile without its documentation, nor does documentation of no key', () => {
    // @ts-expect-error: `motto` is not documented
    const missing: ComparedDocs<typeof KEYS> = GATE_DOCS
    // @ts-expect-error: there is no such key
    const extra: ComparedDocs<typeof GATE_KEYS> = { ...GATE_DOCS, moto: DOCS.motto }
    const { compare, ...rest } = DOCS.motto
    // @ts-expect-error: how is `motto` compared?
    const unjudged: ComparedDocs<typeof KEYS> = { ...GATE_DOCS, motto: rest }
    expect([missing, extra, unjudged]).toHaveLength(3)
  })
})

/** Nothing is written for a key but these two rows and the member of the model, until a stage reads it. */
describe('a new key of a rule', () => {
  const KEYS = {
    ...ROUTE_KEYS,
    strictness: { ...kept(word(['low', 'high']), 'low'), about: 'agent' },
  } satisfies RuleRows
  const DOCS: ComparedDocs<typeof KEYS> = {
    ...ROUTE_DOCS,
    strictness: {
      description: 'How strictly the agent is looked at.',
      default: 'low',
      example: 'high',
      compare: ['high', 'low'],
    },
  }
  const judges = judgesOf({ strictness: DOCS.strictness })
  beforeAll(() => {
    Object.assign(ROUTE_KEYS, { strictness: KEYS.strictness })
    Object.assign(RULE_TABLE, judges)
  })
  afterAll(() => {
    Reflect.deleteProperty(ROUTE_KEYS, 'strictness')
    Reflect.deleteProperty(RULE_TABLE, 'strictness')
  })

  const reading = (rule: object) =>
    parsePolicy({ GATE, ISSUERS: { acme: ACME }, ROUTES: [{ ...CHAT, ...rule }] }, ENV)
  const policyOf = (rule: object) => {
    const read = reading(rule)
    if (!read.ok) throw new Error(JSON.stringify(read.reason))
    return read.value.policy
  }

  it('is read into the model under its name, with its default', () => {
    expect(policyOf({ strictness: 'high' }).routes).toMatchObject([{ strictness: 'high' }])
    expect(policyOf({}).routes).toMatchObject([{ strictness: 'low' }])
    const message = expect.stringContaining('Allowed: `low`, `high`')
    expect(reading({ strictness: 'none' })).toMatchObject({ reason: [{ message }] })
  })

  it('is a mistake on a public rule if it is about a token', () => {
    const rule = { access: 'public', scopes: [], strictness: 'high' }
    const message = 'has no effect on a public rule, which reads no token; remove it'
    expect(reading(rule)).toMatchObject({ reason: [{ message }] })
    const { routes } = showPolicy(policyOf({ access: 'public', scopes: [] }))
    expect(routes[0]).not.toHaveProperty('strictness')
  })

  it('is shown, and named among what an agent needs', () => {
    const [shown = {}] = showPolicy(policyOf({ strictness: 'high' })).routes
    expect(shown).toMatchObject({ strictness: 'high', forward_token: false })
    expect(askedBy(shown, ['scopes'])).toEqual({ strictness: 'high' })
  })

  it('is compared', async () => {
    const [low, high] = [policyOf({}), policyOf({ strictness: 'high' })]
    const text = expect.stringContaining('`strictness` is now low (was high)')
    expect(await comparePolicies(high, low)).toMatchObject({
      value: { widens: true, gains: [{ text }] },
    })
    expect(await comparePolicies(low, high)).toMatchObject({ value: { widens: false } })
  })

  it('does not compile without what it is about', () => {
    // @ts-expect-error: what is `strictness` about?
    const rows: RuleRows = { ...ROUTE_KEYS, strictness: word(['low', 'high']) }
    expect(Object.keys(rows)).toContain('strictness')
  })
})
