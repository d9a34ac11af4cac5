import { describe, expect, it } from 'vitest'
import { check } from '../../../src/command/policy/check.ts'
import { environmentToml, folder, KEY, PARTS, toml, unplaced, write } from '../cli/kit.ts'

const directory = await folder()
let count = 0
/** Where nothing is signed, so that two classes are all that is needed. */
const PLAIN = { gate: PARTS.gate.replace('"identity"', '"off"') }
const errors = async (changes: Parameters<typeof toml>[0]) =>
  unplaced(
    await check({
      file: await write(directory, `${count++}.toml`, toml({ ...PLAIN, ...changes })),
    }),
  ).err

const STAGING = environmentToml('staging').replace('"identity"', '"off"')

const REVOCATIONS = '{ name = "REVOCATIONS", class_name = "RevocationShard" }'
const KEEPER = '{ name = "KEY_SERVICE", class_name = "KeyService" }'
const SQLITE = 'type = "durable-object"\nstorage = "sqlite"'
const declared = (keeper: string, shard = SQLITE) =>
  `[exports.RevocationShard]\n${shard}\n[exports.KeyService]\n${keeper}`
const migrations = (...steps: readonly string[]) =>
  steps.map((step, i) => `[[migrations]]\ntag = "v${i}"\n${step}`).join('\n')
const bound = (...entries: readonly string[]) =>
  `[durable_objects]\nbindings = [${entries.join(', ')}]\n[triggers]\ncrons = ["* * * * *"]`

const UNDECLARED =
  'exports.KeyService: is not there with SQLite storage, and the gate can use no other: every token would be refused; write [exports.KeyService] with type = "durable-object" and storage = "sqlite"'

describe('a class of the gate', () => {
  it.each([
    ['is declared by exports', declared(SQLITE)],
    ['may say that it is there', declared(`${SQLITE}\nstate = "created"`)],
    [
      'may be on its way from another Worker',
      declared(`${SQLITE}\nstate = "expecting-transfer"\ntransfer_from = "old"`),
    ],
    [
      'is declared by a migration',
      migrations('new_sqlite_classes = ["RevocationShard", "KeyService"]'),
    ],
    [
      'is declared by one migration after another',
      migrations(
        'new_sqlite_classes = ["RevocationShard"]\nnew_classes = ["Other"]',
        'new_sqlite_classes = ["Keeper"]\ndeleted_classes = ["Other"]',
        'renamed_classes = [{ from = "Keeper", to = "KeyService" }]',
      ),
    ],
    [
      'is declared by a migration beside exports of another kind',
      `[exports.Flow]\ntype = "workflow"\nname = "flow"\n${migrations('new_sqlite_classes = ["RevocationShard", "KeyService"]')}`,
    ],
  ])('%s', async (_, classes) => {
    expect(await errors({ classes })).toEqual([])
  })

  it.each([
    ['has no table', `[exports.RevocationShard]\n${SQLITE}`],
    ['has another storage', declared('type = "durable-object"\nstorage = "legacy-kv"')],
    ['has no storage', declared('type = "durable-object"')],
    ['is of another type', declared('type = "worker"\nstorage = "sqlite"')],
    ['is deleted', declared('type = "durable-object"\nstate = "deleted"')],
    ['went elsewhere', declared(`${SQLITE}\nstate = "transferred"\ntransferred_to = "other"`)],
    [
      'is no table',
      `${declared('').replace(/\[exports.KeyService\]\n/, '')}\n[exports]\nKeyKeeper = 1`,
    ],
  ])('is not usable if it %s', async (_, classes) => {
    const [first, ...others] = await errors({ classes })
    expect(first).toBe(UNDECLARED)
    expect(others).toEqual([expect.stringMatching(/: 1 mistake$/)])
  })

  it.each([
    ['is in no migration', ['new_sqlite_classes = ["RevocationShard"]']],
    [
      'has another storage',
      ['new_sqlite_classes = ["RevocationShard"]\nnew_classes = ["KeyService"]'],
    ],
    [
      'was deleted',
      [
        'new_sqlite_classes = ["RevocationShard", "KeyService"]',
        'deleted_classes = ["KeyService"]',
      ],
    ],
    [
      'was renamed',
      [
        'new_sqlite_classes = ["RevocationShard", "KeyService"]',
        'renamed_classes = [{ from = "KeyService", to = "Keeper" }]',
      ],
    ],
    [
      'has the name of one with another storage',
      [
        'new_sqlite_classes = ["RevocationShard"]\nnew_classes = ["Keeper"]',
        'renamed_classes = [{ from = "Keeper", to = "KeyService" }]',
      ],
    ],
  ])('is not usable by migrations if it %s', async (_, steps) => {
    const [first, ...others] = await errors({ classes: migrations(...steps) })
    expect(first).toMatch(
      /^migrations: have no KeyService with SQLite storage.*a further \[\[migrations\]\] with a tag and new_sqlite_classes = \["KeyService"\]$/,
    )
    expect(others).toHaveLength(1)
  })

  it('is not looked for in migrations where exports declare others', async () => {
    const classes = `[exports.RevocationShard]\n${SQLITE}\n${migrations('new_sqlite_classes = ["KeyService"]')}`
    expect(await errors({ classes })).toContain(UNDECLARED)
  })

  it('is missed by each binding that needs it, all at once', async () => {
    const found = await errors({ classes: '', route: '[[vars.ROUTES]]\nmatch = "GET /a"' })
    expect(found.join('\n')).toMatch(
      /ROUTES\[0\].*exports\.KeyService: .*exports\.RevocationShard: /s,
    )
  })

  it('is not needed where every key is inline, or the class is of another Worker', async () => {
    const issuer = `${PARTS.issuer}\njwks = { keys = [${KEY}] }`
    const shard = `[exports.RevocationShard]\n${SQLITE}`
    expect(await errors({ issuer, classes: shard })).toEqual([])
    const elsewhere = '{ name = "KEY_SERVICE", class_name = "Keeper", script_name = "keys" }'
    expect(await errors({ objects: bound(REVOCATIONS, elsewhere), classes: shard })).toEqual([])
  })

  it('has a table that is not misspelt', async () => {
    const classes = declared(SQLITE).replaceAll('exports', 'export')
    expect(await errors({ classes })).toContain('export: is not read; did you mean [exports]?')
    const step = migrations('new_sqlite_classes = ["RevocationShard", "KeyService"]')
    expect(await errors({ classes: step.replace('migrations', 'migration') })).toContain(
      'migration: is not read; did you mean [migrations]?',
    )
  })
})

describe('the class that makes assertion keys', () => {
  const gate = PARTS.gate
  const objects = bound(
    REVOCATIONS,
    KEEPER,
    '{ name = "ASSERTION_KEY_SERVICE", class_name = "AssertionKeyService" }',
  )
  const shown = `${declared(SQLITE)}\n[exports.AssertionKeyService]\n${SQLITE}`

  it('is declared like the others', async () => {
    expect(await errors({ gate, objects, classes: shown })).toEqual([])
    const classes = migrations(
      'new_sqlite_classes = ["RevocationShard", "KeyService", "AssertionKeyService"]',
    )
    expect(await errors({ gate, objects, classes })).toEqual([])
  })

  it('is missed where it is bound and something is signed', async () => {
    const classes = declared(SQLITE)
    expect((await errors({ gate, objects, classes }))[0]).toMatch(
      /^exports\.AssertionKeyService: is not there with SQLite storage/,
    )
    expect(await errors({ objects, classes })).toEqual([])
  })

  it('must be that of its binding', async () => {
    const swapped = objects.replace('"AssertionKeyService"', '"KeyService"')
    expect((await errors({ gate, objects: swapped, classes: shown }))[0]).toMatch(
      /^bindings\.ASSERTION_KEY_SERVICE: has class_name `KeyService`/,
    )
  })
})

describe('a class of an environment', () => {
  it('is that of the top level', async () => {
    expect(await errors({ more: STAGING })).toEqual([])
    const classes = migrations('new_sqlite_classes = ["RevocationShard", "KeyService"]')
    expect(await errors({ classes, more: STAGING })).toEqual([])
  })

  it('is missed once for each, and written at the top', async () => {
    const classes = `[exports.RevocationShard]\n${SQLITE}`
    const found = await errors({ classes, more: STAGING })
    expect(found.slice(0, 2)).toEqual([UNDECLARED, `env staging: ${UNDECLARED}`])
  })

  it('is its own where it has such a table, which stands for the whole of the other', async () => {
    const own = `[env.staging.exports.RevocationShard]\n${SQLITE}`
    const found = await errors({ more: `${STAGING}\n${own}` })
    expect(found[0]).toBe(`env staging: ${UNDECLARED.replace('[exports', '[env.staging.exports')}`)
    expect(found).toHaveLength(2)
    const both = `${own}\n[env.staging.exports.KeyService]\n${SQLITE}`
    const more = `${STAGING}\n${both}`
    expect((await errors({ classes: '', more })).join('\n')).not.toContain('env staging')
  })
})

describe('a binding of the gate', () => {
  it('must be to its class', async () => {
    const swapped = bound(
      REVOCATIONS.replace('RevocationShard', 'KeyService'),
      '{ name = "KEY_SERVICE" }',
    )
    expect((await errors({ objects: swapped })).slice(0, 2)).toEqual([
      `bindings.KEY_SERVICE: has no class_name, and the gate's class is another; write ${KEEPER}`,
      `bindings.REVOCATIONS: has class_name \`KeyService\`, and the gate's class is another; write ${REVOCATIONS}`,
    ])
  })

  it.each([
    [
      'alone, beside another',
      bound(REVOCATIONS),
      `[exports.RevocationShard]\n${SQLITE}`,
      [
        `KEY_SERVICE: is not there: the Durable Object namespace of KeyService, needed by issuers without inline jwks; write ${KEEPER} among the bindings of [durable_objects], and [exports.KeyService] with type = "durable-object" and storage = "sqlite"`,
      ],
    ],
    [
      'alone, its class declared',
      bound(KEEPER),
      declared(SQLITE),
      [
        `REVOCATIONS: is not there: the Durable Object namespace of RevocationShard; write ${REVOCATIONS} among the bindings of [durable_objects]`,
      ],
    ],
    [
      'with the other',
      '[triggers]\ncrons = ["* * * * *"]',
      '',
      [
        `KEY_SERVICE: is not there: the Durable Object namespace of KeyService, needed by issuers without inline jwks; write ${KEEPER} among the bindings of [durable_objects], and [exports.KeyService] with type = "durable-object" and storage = "sqlite"`,
        `REVOCATIONS: is not there: the Durable Object namespace of RevocationShard; write ${REVOCATIONS} among`,
      ],
    ],
    [
      'with the other, where there are migrations',
      '[triggers]\ncrons = ["* * * * *"]',
      migrations('new_classes = ["Other"]'),
      [
        'and a further [[migrations]] with a tag and new_sqlite_classes = ["KeyService"]',
        'REVOCATIONS: ',
      ],
    ],
  ])('is told where it is missing %s', async (_, objects, classes, expected) => {
    const found = await errors({ objects, classes })
    expect(found).toEqual([
      ...expected.map((one) => expect.stringContaining(one)),
      expect.stringMatching(/mistakes?$/),
    ])
  })

  it('is told where an environment lacks it', async () => {
    const found = await errors({ more: STAGING.replace(/KEY_SERVICE/, 'K') })
    expect(found[0]).toMatch(
      /^env staging: bindings\.KEY_SERVICE: .* among the bindings of \[env\.staging\.durable_objects\]$/,
    )
  })
})
