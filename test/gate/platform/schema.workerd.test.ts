import { abortAllDurableObjects, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import type { ApprovalStore } from '../../../src/gate/approvals/object/object.ts'
import type { AssertionKeyService } from '../../../src/gate/assertion/object.ts'
import type { Wanted } from '../../../src/gate/assertion/plan.ts'
import { type KeyPlace, type KvLike, readRecord, recordName } from '../../../src/gate/keys/store.ts'
import type { RateLimiter } from '../../../src/gate/limit/object.ts'
import type { Quotas } from '../../../src/gate/model/limit.ts'
import type { ReplayShard } from '../../../src/gate/replay/object.ts'
import type { RevocationShard } from '../../../src/gate/revocation/object/object.ts'

const { REVOCATIONS, ASSERTION_KEY_SERVICE, RATE_LIMITER, REPLAYS, APPROVALS, JWKS_CACHE } =
  env as unknown as {
    readonly REVOCATIONS: DurableObjectNamespace<RevocationShard>
    readonly ASSERTION_KEY_SERVICE: DurableObjectNamespace<AssertionKeyService>
    readonly RATE_LIMITER: DurableObjectNamespace<RateLimiter>
    readonly REPLAYS: DurableObjectNamespace<ReplayShard>
    readonly APPROVALS: DurableObjectNamespace<ApprovalStore>
    readonly JWKS_CACHE: KvLike
  }

const LATER = Math.ceil(Date.now() / 1000) + 86_400
const MADE: Wanted = { algorithm: 'ES256', operatorKeys: [] }
const ONE: Quotas = { daily: 1 }

interface Kind {
  readonly kind: string
  /** Whether objects had a version from the first. */
  readonly always?: true
  readonly of: (name: string) => DurableObjectStub
  /** What an object says each time once it was asked. */
  readonly ask: (name: string) => Promise<unknown>
}

const KINDS: readonly Kind[] = [
  {
    kind: 'revocations',
    always: true,
    of: (name) => REVOCATIONS.getByName(name),
    ask: async (name) => (await REVOCATIONS.getByName(name).head()).version,
  },
  {
    kind: 'the registry of replicas',
    of: (name) => REVOCATIONS.getByName(name),
    ask: async (name) => {
      await REVOCATIONS.getByName(name).note('7')
      return REVOCATIONS.getByName(name).names()
    },
  },
  {
    kind: 'keys for assertions',
    of: (name) => ASSERTION_KEY_SERVICE.getByName(name),
    ask: async (name) => (await ASSERTION_KEY_SERVICE.getByName(name).keys(MADE)).signer.kid,
  },
  {
    kind: 'used tokens',
    of: (name) => REPLAYS.getByName(name),
    ask: (name) => REPLAYS.getByName(name).claim('a', LATER, crypto.randomUUID()),
  },
  {
    kind: 'approvals',
    always: true,
    of: (name) => APPROVALS.getByName(name),
    ask: (name) => APPROVALS.getByName(name).get('any'),
  },
  {
    kind: 'counts',
    of: (name) => RATE_LIMITER.getByName(name),
    ask: async (name) => (await RATE_LIMITER.getByName(name).take(name, ONE, true)).ok,
  },
]

/** Writes as another version would. */
const ofVersion = async (stub: DurableObjectStub, version: number | undefined) => {
  await runInDurableObject(stub, (_, { storage: { kv } }) => {
    if (version === undefined) kv.delete('schema')
    else kv.put('schema', version)
  })
  await abortAllDurableObjects()
}

it.each(KINDS.filter(({ always }) => !always))(
  'reads $kind where no version is noted: the first had none',
  async ({ kind, of, ask }) => {
    const name = `${kind} of none`
    await ask(name)
    const before = await ask(name)
    await ofVersion(of(name), undefined)
    expect(await ask(name)).toEqual(before)
  },
)

describe.each(KINDS)('$kind', ({ kind, of, ask }) => {
  it.each([0, 3])('are refused of version %i, each time', async (version) => {
    const name = `${kind} of ${version}`
    await ask(name)
    await ofVersion(of(name), version)
    for (let i = 0; i < 2; i++) {
      await expect((async () => await ask(name))()).rejects.toThrow(`schema ${version}`)
    }
  })
})

it.each([
  ['zero', '0'],
  ['an empty object', '{}'],
  ['no number', '{"at":null,"owed":0,"limit":0,"period":1,"used":0}'],
  ['no JSON', 'x'],
])('refuses a count that is %s, which would never reach a limit', async (name, state) => {
  const stub = RATE_LIMITER.getByName(name)
  await stub.take('a', ONE, true)
  await runInDurableObject(stub, (_, { storage: { sql } }) => {
    sql.exec('UPDATE counts SET state = ?', state)
  })
  for (let i = 0; i < 2; i++) {
    await expect((async () => await stub.take('a', ONE, true))()).rejects.toThrow()
  }
})

describe('published keys in KV', () => {
  const place: KeyPlace = {
    name: 'acme',
    issuer: 'https://auth.acme.dev',
    keys: { kind: 'discovery', never: [] },
    allowInsecureHttp: false,
  }
  const record = { jwks: { keys: [{ kty: 'EC', kid: 'a' }] }, rotations: [] }

  it('have the version in their name, so that no other is found', async () => {
    const now = Date.now()
    const name = await recordName(place)
    expect(name).toMatch(/^jwks:2:/)
    const put = (key: string) =>
      JWKS_CACHE.put(key, JSON.stringify({ ...record, fetchedAt: now }), { expirationTtl: 60 })
    for (const version of [1, 3]) await put(name.replace(':2:', `:${version}:`))
    expect(await readRecord(JWKS_CACHE, name, now)).toBeUndefined()
    await put(name)
    expect(await readRecord(JWKS_CACHE, name, now)).toMatchObject({ keys: [{ kid: 'a' }] })
  })
})
