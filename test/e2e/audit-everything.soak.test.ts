import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { isRecord } from '../kit/records.ts'
import { ROOT } from '../kit/repository.ts'
import { SECRET as COMMANDS_SECRET } from './commands-setting.ts'
import { SECRET } from './world.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edgewarden-kept-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Runs all end-to-end tests but the soak, whose gates have an audit then; they may fail for that. */
const runAll = () =>
  new Promise<string>((done) => {
    const args = [
      join(ROOT, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--project',
      'node',
      'test/e2e/',
    ]
    const { VITEST: _, VITEST_MODE: __, ...env } = process.env
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { ...env, EDGEWARDEN_KEPT_DATA: folder, NODE_ENV: 'test', NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.on('close', () => done(output))
  })

const isZipped = (value: unknown): value is Uint8Array =>
  value instanceof Uint8Array && value[0] === 0x1f && value[1] === 0x8b

/** All values of all tables of a database, as text. */
const textsIn = (file: string): readonly (readonly [table: string, text: string])[] => {
  const database = new DatabaseSync(file, { readOnly: true })
  const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all()
  const texts = tables.flatMap(({ name }) => {
    const all = database.prepare(`SELECT * FROM "${String(name)}"`)
    // Times of alarms are too large for a number.
    all.setReadBigInts(true)
    const values = all.all().flatMap((row) => Object.values(row))
    return values.map((value) => {
      const bytes = isZipped(value) ? gunzipSync(value) : value
      const text = bytes instanceof Uint8Array ? Buffer.from(bytes).toString('latin1') : bytes
      return [String(name), String(text)] as const
    })
  })
  database.close()
  return texts
}

/** All texts in a value. */
const leaves = (value: unknown): readonly string[] =>
  typeof value === 'string'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(leaves)
      : []

/** Whether a text holds a JSON object in base64url, as a token does; a random id has its first letters by chance. */
const hasToken = (text: string): boolean =>
  [...text.matchAll(/eyJ[\w-]{8,}/g)].some(([found]) =>
    /^\{"[\x20-\x7e]{6}/.test(Buffer.from(found, 'base64url').toString('latin1')),
  )

it('nothing that all end-to-end tests leave in the audit is a token, secret, query, body or argument', async () => {
  const output = await runAll()
  const [, passed = '0'] = /Tests .*?(\d+) passed/.exec(output) ?? []
  expect(Number(passed), output.slice(-5_000)).toBeGreaterThan(1_000)
  const files = (await readdir(folder, { recursive: true })).filter((path) =>
    /AuditLog.*[0-9a-f]{64}\.sqlite$/.test(path),
  )
  const texts = files.flatMap((file) => textsIn(join(folder, file)))
  const records = texts.flatMap(([table, text]) =>
    table === 'records' && text.startsWith('{') ? text.split('\n') : [],
  )
  console.log(`${passed} tests, ${files.length} shards, ${records.length} records`)
  expect(records.length).toBeGreaterThan(3_000)
  const found = (mark: string | RegExp) =>
    texts.filter(([, text]) => (typeof mark === 'string' ? text.includes(mark) : mark.test(text)))
  for (const mark of [/Bearer [\w.-]{8}/, SECRET, COMMANDS_SECRET, '"arguments":']) {
    expect([mark, found(mark).map(([, text]) => text.slice(0, 2_000))]).toEqual([mark, []])
  }
  expect(texts.filter(([, text]) => hasToken(text))).toEqual([])
  const ofMcp = new Set([
    ...['method', 'name', 'revision', 'more', 'more_left_out', 'batch', 'left_out'],
  ])
  for (const text of records) {
    const record = JSON.parse(text)
    expect(isRecord(record) ? [] : [isRecord.errors, record]).toEqual([])
    expect(Object.keys(record.mcp ?? {}).filter((name) => !ofMcp.has(name))).toEqual([])
    // What comes from the request, and not from a token.
    const { method, host, path_values, detail, mcp } = record
    const given = leaves({ method, host, path_values, detail, mcp })
    expect([given.filter((leaf) => /[?&][\w.-]+=/.test(leaf)), text]).toEqual([[], text])
  }
})
