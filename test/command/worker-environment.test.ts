import { parse } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { readFilePolicy } from '../../src/command/base/file-policy.ts'
import { check } from '../../src/command/policy/check.ts'
import { isObject, type JsonObject, listOf, own } from '../../src/gate/base/json.ts'
import { readPolicy } from '../../src/gate/policy/policy.ts'
import { workerEnv } from '../../src/gate/policy/reading/env.ts'
import type { PolicyIssue } from '../../src/gate/policy/reading/issues.ts'
import { folder, PARTS, toml, write } from './kit.ts'

const directory = await folder()
let count = 0

/** A binding as the runtime makes one: no plain object, whatever its kind. */
class Binding {
  readonly [Symbol.toStringTag] = 'Binding'
  fetch() {}
  get() {}
  put() {}
  idFromName() {}
  limit() {}
}

const bound = (tables: unknown, key = 'binding') =>
  listOf(tables).map(
    (table) => [String(isObject(table) && own(table, key)), new Binding()] as const,
  )

/** What the Worker of this file is given, with these secrets set. */
const envOf = (text: string, secrets: JsonObject): JsonObject => {
  const file = JSON.parse(JSON.stringify(parse(text)))
  const tables = (key: string) => own(file, key)
  const metadata = own(file, 'version_metadata')
  return {
    ...(own(file, 'vars') as JsonObject),
    ...secrets,
    ...Object.fromEntries([
      ...['kv_namespaces', 'services', 'r2_buckets'].flatMap((key) => bound(tables(key))),
      ...bound(tables('ratelimits'), 'name'),
      ...bound(isObject(file.durable_objects) ? file.durable_objects.bindings : [], 'name'),
      ...bound(isObject(file.queues) ? file.queues.producers : []),
    ]),
    ...(isObject(metadata) && { [String(metadata.binding)]: { id: '1', tag: '', timestamp: '' } }),
  }
}

const lines = (issues: readonly PolicyIssue[]) =>
  issues.map(({ path, message }) => `${path}: ${message}`).sort()

/** The mistakes that `check` finds, and those for which the Worker answers nothing. */
const both = async (changes: Parameters<typeof toml>[0], secrets: JsonObject = {}) => {
  const text = toml(changes)
  const file = await write(directory, `${count++}.toml`, text)
  const env = envOf(text, secrets)
  const read = readPolicy(env, workerEnv(env))
  const { json, out, exitCode } = await check({ file })
  const [found] = (json as { environments: readonly { mistakes: readonly PolicyIssue[] }[] })
    .environments
  return {
    file,
    out,
    exitCode,
    checked: lines(found?.mistakes ?? []),
    worker: lines(read.ok ? [] : read.reason),
  }
}

const injecting = (name: string) =>
  `${PARTS.route}\ninject = { Authorization = "Bearer \${${name}}" }`
const decrypting = (name: string) => `${PARTS.issuer}\ndecrypt = { secret = "${name}" }`
const vars = (line: string) => `[vars]\n${line}\n\n${PARTS.gate}`

describe('what the Worker refuses', () => {
  it.each<[string, Parameters<typeof toml>[0], JsonObject?]>([
    [
      'a service by a name of the policy',
      { more: '[[services]]\nbinding = "GATE_API"\nservice = "a"' },
    ],
    [
      'such a service as origin',
      {
        gate: PARTS.gate.replace('https://origin.acme.dev', 'service:GATE_API'),
        more: '[[services]]\nbinding = "GATE_API"\nservice = "a"',
      },
    ],
    ['a KV namespace by one', { more: '[[kv_namespaces]]\nbinding = "ROUTES_KV"' }],
    ['a bucket by one', { more: '[[r2_buckets]]\nbinding = "SCOPES_FILES"\nbucket_name = "b"' }],
    ['a queue by one', { more: '[[queues.producers]]\nbinding = "GATE_QUEUE"\nqueue = "q"' }],
    ['a limit by one', { more: '[[ratelimits]]\nname = "ISSUERS_LIMIT"\nnamespace_id = "1"' }],
    [
      'a Durable Object by one',
      {
        objects: PARTS.objects.replace(
          '[\n',
          '[\n  { name = "ROUTES", class_name = "KeyService" },\n',
        ),
      },
    ],
    ['metadata of the version by one', { more: '[version_metadata]\nbinding = "GATE_VERSION"' }],
    ['metadata of the version by almost one', { more: '[version_metadata]\nbinding = "ROUTE"' }],
    ['a secret by one', { route: injecting('GATE_KEY') }, { GATE_KEY: 'sk-123456789' }],
    ['keys by almost one', { issuer: decrypting('ISSUER_KEYS') }, { ISSUER_KEYS: '{"keys":[]}' }],
    ['a secret that is a binding', { route: injecting('JWKS_CACHE') }],
    ['a secret that is an empty text', { route: injecting('KEY'), gate: vars('KEY = ""') }],
    ['a secret that is a number', { route: injecting('KEY'), gate: vars('KEY = 1') }],
    ['a secret that is a table', { route: injecting('KEY'), gate: vars('KEY = { a = 1 }') }],
    ['a secret with a line break', { route: injecting('KEY'), gate: vars('KEY = "a\\nb"') }],
    ['keys that are none', { issuer: decrypting('KEYS'), gate: vars('KEYS = "x"') }],
    ['keys for assertions that are none', { gate: vars('ASSERTION_KEYS = "x"') }],
  ])('is a mistake: %s', async (_, changes, secrets) => {
    const { checked, worker, exitCode, file } = await both(changes, secrets)
    expect(worker).not.toEqual([])
    // Of a set of keys the Worker says more, since it knows it.
    expect(checked).toEqual(
      worker.filter((line) => !line.startsWith('ISSUERS.acme.decrypt') || !secrets),
    )
    expect(exitCode).toBe(1)
    expect((await readFilePolicy({ file })).ok).toBe(false)
  })

  it('is never a secret that is to be set', async () => {
    for (const changes of [{ route: injecting('GATE_KEY') }, { route: injecting('JWKS_CACHE') }]) {
      expect((await both(changes)).out.join('\n')).not.toContain('needs secret')
    }
  })
})

describe('what the Worker takes', () => {
  it.each<[string, Parameters<typeof toml>[0], JsonObject?]>([
    ['a secret', { route: injecting('OPENAI_KEY') }, { OPENAI_KEY: 'sk-123456789' }],
    [
      'a secret by almost a name of the policy',
      { route: injecting('ROUTE_KEY') },
      { ROUTE_KEY: 'x' },
    ],
    ['a text in its place', { route: injecting('KEY'), gate: vars('KEY = "sk-123456789"') }],
    ['other bindings', { more: '[[services]]\nbinding = "ROUTE"\nservice = "a"' }],
    ['metadata of the version', { more: '[version_metadata]\nbinding = "CF_VERSION_METADATA"' }],
    ['what looks like a binding', { more: '[vars.OTHER]\nbinding = "GATE_API"' }],
  ])('is no mistake: %s', async (_, changes, secrets) => {
    const { checked, worker } = await both(changes, secrets)
    expect({ checked, worker }).toEqual({ checked: [], worker: [] })
  })
})
