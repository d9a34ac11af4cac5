import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LIMITS } from '../../src/gate/base/limits.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { FAULTS, type FaultName } from '../kit/issuer-faults.ts'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { PATIENCE } from '../kit/wait.ts'
import { FAULT_ROWS, type FaultRow, PASSED, UNAVAILABLE } from './issuer-rows.ts'
import { policyOf, until } from './setting.ts'
import { askOnce, kindsOf, type Seen, startTraffic } from './traffic.ts'

/** Milliseconds a set is fresh here, so that a fault outlasts it. */
const FRESH = 2_000
/** Milliseconds a fault lasts. */
const FAULT = 2 * FRESH
const CALLERS = 3
const LASTING = LIMITS.fetchMs + FRESH

/** What happened at an issuer, from before its fault until after. */
interface Story {
  /** Good tokens of keys that were known when the fault began. */
  readonly known: readonly Seen[]
  /** How often the issuer was asked for metadata or keys during the fault. */
  readonly asked: number
  /** Tokens of a key that was never published. */
  readonly unknown: readonly Seen[]
  /** First tokens at a cold gate. */
  readonly cold: readonly Seen[]
  /** What tokens of a new key came to until one passed, at the warm gate and the cold one. */
  readonly healed: readonly (readonly Seen[])[]
}

let origin: Origin
let issuers: ReadonlyMap<FaultName, Issuer>
let warm: Gate
let cold: Gate
let stories: ReadonlyMap<FaultName, Promise<Story>>

beforeAll(async () => {
  origin = await startOrigin()
  const started = FAULT_ROWS.map(async ({ fault }) => [fault, await createIssuer()] as const)
  issuers = new Map(await Promise.all(started))
  const vars = policyOf(
    { more: { ISSUERS: Object.fromEntries([...issuers].map(([f, one]) => [f, entryOf(f, one)])) } },
    issuerOf('down'),
    origin,
  )
  ;[warm, cold] = await Promise.all([startGate({ vars }), startGate({ vars })])
  // All at once: what goes wrong at one issuer must not show at another, and time passes for all.
  stories = new Map(FAULT_ROWS.map((row) => [row.fault, tell(row)]))
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

const tell = async ({ fault, hangs }: FaultRow): Promise<Story> => {
  const issuer = issuerOf(fault)
  const asked = () => issuer.requests.length + issuer.discoveries.length
  const first = await issuer.mint()
  const before = await askOnce(warm, first)
  await issuer.fail(fault)
  const askedBefore = asked()
  const traffic = startTraffic(warm, CALLERS, (turn) => (turn % 2 === 0 ? first : issuer.mint()))
  const colds = Promise.all(
    Array.from({ length: 3 }, async () => askOnce(cold, await issuer.mint())),
  )
  await wait(hangs ? LASTING : FAULT)
  const unknown = await Promise.all(
    ['one', 'two', 'private'].map(async (kid) => askOnce(warm, await issuer.mint({}, { kid }))),
  )
  const known = [before, ...(await traffic.end())]
  const askedMeanwhile = asked() - askedBefore
  await issuer.fail()
  await issuer.rotate()
  return {
    known,
    asked: askedMeanwhile,
    unknown,
    cold: await colds,
    healed: await Promise.all([warm, cold].map((gate) => healing(gate, issuer))),
  }
}

/** Asks until a token of the issuer's present key passes. */
const healing = async (gate: Gate, issuer: Issuer): Promise<readonly Seen[]> => {
  const token = await issuer.mint()
  const passes = (seen: Seen) => kindsOf([seen]).includes(PASSED)
  return until(() => askOnce(gate, token), passes, 2 * PATIENCE)
}

describe.each(FAULT_ROWS)('while an issuer misbehaves: $fault', ({ fault, hangs, ...row }) => {
  const story = async () => {
    const told = await stories.get(fault)
    if (!told) throw new Error('no story')
    return told
  }

  it('lets every token of a known key pass, past its fresh time too, and makes none wait', async () => {
    const { known } = await story()
    expect(kindsOf(known)).toEqual([PASSED])
    // More than could be there if each had waited for the issuer for as long as the gate does.
    expect(known.length).toBeGreaterThan(hangs ? CALLERS * Math.ceil(LASTING / LIMITS.fetchMs) : 3)
  })

  it('has the right code for the rest, and for everybody where no key is known', async () => {
    const { unknown, cold } = await story()
    // On a busy machine any issuer may seem to be away.
    for (const kind of kindsOf(unknown)) expect([...row.unknown, UNAVAILABLE]).toContain(kind)
    for (const kind of kindsOf(cold)) expect([...row.cold, UNAVAILABLE]).toContain(kind)
    for (const { status, retryAfter } of [...unknown, ...cold]) {
      if (status === 503) expect(retryAfter).toMatch(/^[1-9]\d*$/)
      else expect(retryAfter).toBeNull()
    }
  })

  it('does not wear the issuer out, and is healed soon after', async () => {
    const { asked, healed } = await story()
    expect(asked).toBeLessThan(20)
    for (const seen of healed) expect(seen.at(-1)?.status).toBe(200)
  })
})
