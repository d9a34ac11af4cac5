import { mkdtemp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { bundleCounting, type Counting, countingAt, type Way } from '../kit/counting.ts'
import type { Gate } from '../kit/gate.ts'
import { deployment } from '../kit/repository.ts'
import { createSender, percentile } from './paced.ts'
import { HOST, type Setting, type SettingOptions, startSetting } from './setting.ts'

/** Requests that come at once, each of an agent, a token and a network of its own. */
const HERD = 1_000

/** Milliseconds that each call of an object or of KV is on its way. */
const WAY = 20
const BINDINGS = [
  'REVOCATIONS',
  'KEY_SERVICE',
  'ASSERTION_KEY_SERVICE',
  'AUDIT_LOG',
  'AGENTS',
  'JWKS_CACHE',
]

/** Milliseconds after which copies are too old, and pauses after failures are over. */
const LATER = 70_000

/** A gate before which herds come one after the other. */
interface Scene {
  readonly setting: Setting
  /** Sets how calls of a binding go; without a way they go as usual. */
  behave(binding: string, way?: Way): Promise<void>
  later(): Promise<void>
}

/** Who is called, by the names of the calls. */
const CALLED = {
  issuer: /^issuer$/,
  KV: /\bKV\./,
  'key service': /\bKEY_SERVICE\./,
  'set: requests': /\bREVOCATIONS\.lookup$/,
  'set: copies': /\bREVOCATIONS\.pull/,
  'assertion keys': /\bASSERTION_KEY_SERVICE\./,
  audit: /\bAUDIT_LOG\.append$/,
}
type Called = keyof typeof CALLED
type Calls = Readonly<Record<Called, number>>

interface Herd {
  readonly what: string
  /** What happens before it. */
  readonly before?: (scene: Scene) => Promise<unknown>
  /** Which gate it comes to: the first, unless it is the one beside. */
  readonly isBeside?: true
  /** A status, and the code of a refusal. */
  readonly answer?: string
  /** Most calls, of those that are not 0. */
  readonly calls: Partial<Calls>
}

interface Story {
  readonly name: string
  readonly options?: SettingOptions
  readonly herds: readonly Herd[]
}

const revocation = (consistency: string) => ({ consistency, max_staleness: '60s' })

/** Batches of 100 records; what remains is sent by a timer, which each batch begins. */
const AUDIT = 30
/** Requests that ask the set themselves: who starts the copy, and those that find none on its way. */
const LATE = 10
/** Two shards are asked, until each has a copy of the empty set. */
const COLD = {
  // Beside the write, one read in a second.
  KV: 4,
  issuer: 1,
  'key service': 1,
  'assertion keys': 1,
  'set: requests': LATE,
  'set: copies': 2,
  audit: AUDIT,
}
/** Everything but the audit is in memory. */
const WARM = { audit: AUDIT }
/** The isolate slept: its copy of the set is too old, and the rest is renewed behind requests. */
const IDLE = { ...COLD, KV: 1 }

const outage = (
  binding: string,
  name: string,
  during: Pick<Herd, 'answer' | 'calls'>,
  after: Herd['calls'],
  options: SettingOptions = {},
): Story => ({
  name: `an outage of the ${name}, in a new isolate`,
  options,
  herds: [
    {
      what: `${name} fails, new isolate`,
      before: ({ behave }) => behave(binding, 'fails'),
      ...during,
    },
    {
      what: `${name} is back`,
      before: async ({ behave, later }) => {
        await behave(binding)
        await later()
      },
      calls: after,
    },
  ],
})

const STORIES: readonly Story[] = [
  {
    name: 'a new isolate, a rotation, a deploy of another policy',
    options: { beside: [{ routes: [{ match: 'GET /v1/*', scopes: ['chat:write'] }] }] },
    herds: [
      { what: 'new isolate', calls: COLD },
      { what: 'warm isolate', calls: WARM },
      {
        what: 'issuer has a new key',
        before: async ({ setting, later }) => {
          await setting.issuer.rotate()
          await later()
        },
        calls: IDLE,
      },
      {
        what: 'policy deployed',
        isBeside: true,
        calls: { ...COLD, issuer: 0 },
      },
    ],
  },
  {
    name: 'an outage of the issuer, in a new isolate',
    herds: [
      {
        what: 'issuer fails, new isolate',
        before: ({ setting }) => setting.issuer.fail(503),
        answer: '503 keys_unavailable',
        calls: { KV: 2, issuer: 1, 'key service': 1, audit: AUDIT },
      },
      {
        // By then the pause after the failure may be over.
        what: 'issuer fails, again',
        answer: '503 keys_unavailable',
        calls: { KV: 2, issuer: 1, 'key service': 1, audit: AUDIT },
      },
      {
        what: 'issuer is back',
        before: async ({ setting, later }) => {
          await setting.issuer.fail()
          await later()
        },
        calls: COLD,
      },
    ],
  },
  outage(
    'KEY_SERVICE',
    'key service',
    { answer: '503 keys_unavailable', calls: { KV: 2, 'key service': 2, audit: AUDIT } },
    COLD,
  ),
  outage('JWKS_CACHE', 'KV', { calls: COLD }, IDLE),
  outage(
    'ASSERTION_KEY_SERVICE',
    'key service for assertions',
    {
      answer: '503 assertion_unavailable',
      // Twice in each second.
      calls: { ...COLD, 'assertion keys': 20 },
    },
    COLD,
  ),
  outage(
    'REVOCATIONS',
    'set',
    {
      answer: '503 revocations_unavailable',
      // Each request has a question of its own, and asks the first shard if another fails.
      calls: { ...COLD, 'set: requests': 2 * HERD, 'set: copies': 8 },
    },
    COLD,
  ),
  outage(
    'AUDIT_LOG',
    'audit',
    // One batch tells of them all, in two attempts.
    { calls: { ...COLD, audit: 2 * AUDIT } },
    { ...IDLE, audit: 20 + AUDIT },
  ),
  {
    name: 'strict rules, and an outage of the set',
    options: { gate: { revocation: revocation('strict') } },
    herds: [
      // A shard that is new has no answer, and the first one is asked.
      { what: 'strict rule: new isolate', calls: { ...COLD, 'set: requests': 2 * HERD } },
      { what: 'strict rule: warm isolate', calls: { ...WARM, 'set: requests': HERD } },
      {
        what: 'strict rule: set fails',
        before: ({ behave }) => behave('REVOCATIONS', 'fails'),
        answer: '503 revocations_unavailable',
        calls: { ...WARM, 'set: requests': 2 * HERD },
      },
      {
        what: 'strict rule: set is back',
        before: async ({ behave, later }) => {
          await behave('REVOCATIONS')
          await later()
        },
        calls: { ...IDLE, 'set: requests': HERD },
      },
    ],
  },
]

let bundle: string
beforeAll(async () => {
  const directory = await mkdtemp(join(dirname(inject('consoleBundle')), 'counting-'))
  bundle = await bundleCounting(inject('bundle'), directory)
})

const HEAD = ['a thousand requests at once', 'answer', 'p50', 'p99', ...Object.keys(CALLED)]
const lines: (readonly (string | number)[])[] = []
/** As docs/scale.md has it. */
afterAll(() =>
  console.log(`\n${[HEAD, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}`),
)

/** As `edgewarden init` deploys it: with an audit, a registry and assertions. */
const start = ({ gate, ...options }: SettingOptions): Promise<Setting> =>
  startSetting({
    bundle,
    durableObjects: deployment().durableObjects,
    gate: {
      client_ip: undefined,
      assertion: 'identity',
      revocation: revocation('bounded'),
      ...gate,
    },
    issuer: { max_lifetime: '24h' },
    ...options,
    beside: (options.beside ?? []).map((one) => ({
      gate: { client_ip: undefined, assertion: 'identity', revocation: revocation('bounded') },
      issuer: { max_lifetime: '24h' },
      more: { AUDIT: {} },
      ...one,
    })),
    more: { AUDIT: {} },
  })

/** Sends them all, and gives what they got. */
const send = async ({ issuer }: Setting, gate: Gate) => {
  const exp = Math.floor(Date.now() / 1000) + 20 * 3_600
  const tokens = await Promise.all(
    Array.from({ length: HERD }, (_, i) => issuer.mint({ client_id: `agent-${i}`, exp })),
  )
  const sender = createSender(gate.port, HERD)
  const answers = await Promise.all(
    tokens.map((token, i) =>
      sender.send({
        path: '/v1/x',
        host: HOST,
        token,
        headers: { 'cf-connecting-ip': `198.51.${i >> 8}.${i & 255}` },
      }),
    ),
  )
  sender.close()
  return answers
}

/** The calls once nothing is called any more. */
const settled = async (all: readonly Counting[]): Promise<Readonly<Record<string, number>>> => {
  const now = async () => {
    const each = await Promise.all(all.map((one) => one.counts()))
    const sum: Record<string, number> = {}
    for (const { calls } of each)
      for (const [name, count] of Object.entries(calls)) sum[name] = (sum[name] ?? 0) + count
    return sum
  }
  for (let last = await now(); ; ) {
    // Longer than records wait for others.
    await wait(1_500)
    const next = await now()
    if (JSON.stringify(next) === JSON.stringify(last)) return next
    last = next
  }
}

describe.each(STORIES)('$name', ({ options = {}, herds }) => {
  it('asks nothing twice that can be asked once', async () => {
    const setting = await start(options)
    onTestFinished(() => setting.close())
    const gates = [setting.gate, ...setting.gate.beside]
    const all = gates.map(({ port }) => countingAt(port))
    const each = (use: (one: Counting) => Promise<void>) => Promise.all(all.map(use))
    const scene: Scene = {
      setting,
      behave: async (binding, way = WAY) => void (await each((one) => one.behave(binding, way))),
      later: async () => void (await each((one) => one.forward(LATER))),
    }
    await each((one) => one.stretch(10))
    for (const binding of BINDINGS) await scene.behave(binding)

    for (const { what, before, isBeside, answer = '200', calls } of herds) {
      await before?.(scene)
      await each((one) => one.reset())
      const fetched = setting.issuer.requests.length
      const answers = await send(setting, (isBeside ? gates[1] : gates[0]) as Gate)
      const found = { ...(await settled(all)), issuer: setting.issuer.requests.length - fetched }

      const kinds = answers.map(({ status, text }) =>
        status === 200 ? '200' : `${status} ${JSON.parse(text).code}`,
      )
      expect([...new Set(kinds)], what).toEqual([answer])
      for (const { status, retryAfter } of answers)
        if (status === 503) expect(retryAfter).toMatch(/^[1-9]\d*$/)

      const counted = Object.entries(CALLED).map(([name, pattern]) => {
        const fitting = Object.entries(found).filter(([call]) => pattern.test(call))
        return [name, fitting.reduce((sum, [, count]) => sum + count, 0)] as const
      })
      const took = answers.map((one) => one.took)
      const times = [0.5, 0.99].map((part) => `${Math.round(percentile(took, part))} ms`)
      const shown = answer.replace(/ (.+)/, ' `$1`')
      lines.push([what, shown, ...times, ...counted.map(([, count]) => count)])
      for (const [name, count] of counted) {
        const most = calls[name as Called] ?? 0
        expect(count, `${what}: ${name} of ${JSON.stringify(found)}`).toBeLessThanOrEqual(most)
      }
    }
  }, 300_000)
})
