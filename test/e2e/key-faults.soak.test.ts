import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KEY_TIMES } from '../../src/adapters/keys/times.ts'
import { LIMITS } from '../../src/base/limits.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { FAULTS, type FaultName } from '../kit/issuer-faults.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { policyOf, until } from './setting.ts'
import { askOnce, kindsOf, type Seen, slowest, startTraffic } from './traffic.ts'

const PASSED = '200'
const UNKNOWN = '401 key_unknown'
const UNAVAILABLE = '503 keys_unavailable'

/** Milliseconds a set is fresh here, so that a fault outlasts it. */
const FRESH = 2_000
/** Milliseconds a fault lasts. */
const FAULT = 2 * FRESH
const LASTING = LIMITS.fetchMs + FRESH
/** Milliseconds in which the gate asks again after the first question that failed. */
const RETRY = KEY_TIMES.failureMs
/** Whoever waited for an issuer that does not answer waited so long at least. */
const { patienceMs: PROMPT } = KEY_TIMES
/** Milliseconds that a busy machine may add. */
const SLACK = 2_000

/** What is right under a fault. */
interface Row {
  readonly fault: FaultName
  /** For a key that the issuer never published. */
  readonly unknown: readonly string[]
  /** For a good token at a gate that knows no keys yet. */
  readonly cold: readonly string[]
  /** The issuer keeps whoever asks it waiting. */
  readonly hangs?: true
}

const blind = (fault: FaultName): Row => ({ fault, unknown: [UNAVAILABLE], cold: [UNAVAILABLE] })
const hanging = (fault: FaultName): Row => ({ ...blind(fault), hangs: true })

const ROWS: readonly Row[] = [
  blind('down'),
  blind('destroy'),
  hanging('hang'),
  hanging('slow'),
  hanging('dribble'),
  blind('error'),
  blind('elsewhere'),
  blind('loop'),
  blind('page'),
  blind('truncated'),
  blind('huge'),
  blind('broken'),
  blind('keyless'),
  blind('empty'),
  blind('stranger'),
  blind('nowhere'),
  { fault: 'flapping', unknown: [UNKNOWN, UNAVAILABLE], cold: [PASSED, UNAVAILABLE] },
  { fault: 'private', unknown: [UNKNOWN], cold: [PASSED] },
]

/** What happened at an issuer, from before its fault until after. */
interface Story {
  /** Good tokens of keys that were known when the fault began. */
  readonly known: readonly Seen[]
  /** Those of them that were sent once the gate can have noticed the fault. */
  readonly late: readonly Seen[]
  /** How often the issuer was asked for metadata or keys during the fault. */
  readonly asked: number
  /** Tokens of a key that was never published. */
  readonly unknown: readonly Seen[]
  /** First tokens at a cold gate. */
  readonly cold: readonly Seen[]
  /** Milliseconds from the fault's end until a new key passed, at the warm gate and the cold one. */
  readonly healed: readonly number[]
}

let origin: Origin
let issuers: ReadonlyMap<FaultName, Issuer>
let warm: Gate
let cold: Gate
let stories: ReadonlyMap<FaultName, Promise<Story>>

beforeAll(async () => {
  origin = await startOrigin()
  const started = ROWS.map(async ({ fault }) => [fault, await createIssuer()] as const)
  issuers = new Map(await Promise.all(started))
  const vars = policyOf(
    { more: { ISSUERS: Object.fromEntries([...issuers].map(([f, one]) => [f, entryOf(f, one)])) } },
    issuerOf('down'),
    origin,
  )
  ;[warm, cold] = await Promise.all([startGate({ vars }), startGate({ vars })])
  // All at once: what goes wrong at one issuer must not show at another, and time passes for all.
  stories = new Map(ROWS.map((row) => [row.fault, tell(row)]))
  for (const story of stories.values()) story.catch(() => {})
})

afterAll(async () => {
  await Promise.allSettled(stories.values())
  await Promise.all([warm.stop(), cold.stop()])
  await Promise.all([origin, ...issuers.values()].map((one) => one.close()))
})

const issuerOf = (fault: FaultName): Issuer => {
  const issuer = issuers.get(fault)
  if (!issuer) throw new Error(`no issuer for ${fault}`)
  return issuer
}

const entryOf = (fault: FaultName, { issuer, jwksUri }: Issuer) => ({
  issuer,
  // Without its address the keys are found by metadata.
  ...(!('metadata' in FAULTS[fault]) && { jwks_uri: jwksUri }),
  allow_insecure_http: true,
  agent_prefix: `${fault}/`,
  jwks_cache: { max_fresh: `${FRESH}ms`, cooldown: '1s' },
})

const tell = async ({ fault, hangs }: Row): Promise<Story> => {
  const issuer = issuerOf(fault)
  const asked = () => issuer.requests.length + issuer.discoveries.length
  const first = await issuer.mint()
  const before = await askOnce(warm, first)
  await issuer.fail(fault)
  const began = Date.now()
  const askedBefore = asked()
  const traffic = startTraffic(warm, 3, (turn) => (turn % 2 === 0 ? first : issuer.mint()))
  const colds = Promise.all(
    Array.from({ length: 3 }, async () => askOnce(cold, await issuer.mint())),
  )
  await wait(hangs ? LASTING : FAULT)
  const unknown = await Promise.all(
    ['one', 'two', 'private'].map(async (kid) => askOnce(warm, await issuer.mint({}, { kid }))),
  )
  const known = [before, ...(await traffic.end())]
  const askedMeanwhile = asked() - askedBefore
  const noticed = began + FRESH / 2 + (hangs ? LIMITS.fetchMs + 500 : 0)
  await issuer.fail()
  await issuer.rotate()
  return {
    known,
    late: known.filter(({ at }) => at > noticed),
    asked: askedMeanwhile,
    unknown,
    cold: await colds,
    healed: await Promise.all([warm, cold].map((gate) => healing(gate, issuer))),
  }
}

/** Milliseconds until a token of the issuer's present key passes. */
const healing = async (gate: Gate, issuer: Issuer): Promise<number> => {
  const start = Date.now()
  const token = await issuer.mint()
  const passes = (seen: Seen) => kindsOf([seen]).includes(PASSED)
  await until(() => askOnce(gate, token), passes, RETRY + 2 * SLACK)
  return Date.now() - start
}

describe.each(ROWS)('while an issuer misbehaves: $fault', ({ fault, hangs, ...row }) => {
  const story = async () => {
    const told = await stories.get(fault)
    if (!told) throw new Error('no story')
    return told
  }

  it('lets every token of a known key pass, past its fresh time too, and makes none wait', async () => {
    const { known, late } = await story()
    expect(kindsOf(known)).toEqual([PASSED])
    expect(late.length).toBeGreaterThan(3)
    expect(slowest(known)).toBeLessThan(PROMPT + SLACK)
    expect(slowest(late)).toBeLessThan(PROMPT)
  })

  it('has the right code for the rest, and for everybody where no key is known', async () => {
    const { unknown, cold } = await story()
    for (const kind of kindsOf(unknown)) expect(row.unknown).toContain(kind)
    for (const kind of kindsOf(cold)) expect(row.cold).toContain(kind)
    expect(slowest(cold)).toBeLessThan((hangs ? LIMITS.fetchMs : 0) + SLACK)
    for (const { status, retryAfter } of [...unknown, ...cold]) {
      if (status === 503) expect(retryAfter).toMatch(/^[1-9]\d*$/)
      else expect(retryAfter).toBeNull()
    }
  })

  it('does not wear the issuer out, and is healed soon after', async () => {
    const { asked, healed } = await story()
    expect(asked).toBeLessThan(12)
    for (const ms of healed) expect(ms).toBeLessThan(RETRY + SLACK)
  })
})
