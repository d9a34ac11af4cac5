import { afterAll, beforeAll, expect, it } from 'vitest'
import { KEY_TIMES } from '../../src/gate/keys/times.ts'
import type { Gate } from '../kit/gate.ts'
import { FAULTS, type FaultName } from '../kit/issuer-faults.ts'
import { PATIENCE } from '../kit/wait.ts'
import {
  ALLOWED,
  clocked,
  forward,
  type Issued,
  makeImpatient,
  makePatient,
  startIssued,
} from './keys-setting.ts'
import { askGate, outcome, until } from './setting.ts'

/** Milliseconds a set is fresh; a fault outlasts it. */
const FRESH = 120_000

const PASSED = '200'
const UNKNOWN = '401 key_unknown'
const AWAY = '503 keys_unavailable'

/** What is right under a fault: each kind of answer as `kindsOf` has it. */
interface FaultRow {
  readonly fault: FaultName
  /** For a key that the issuer never published. */
  readonly unknown: readonly string[]
  /** For a good token at a gate that knows no keys yet. */
  readonly cold: readonly string[]
}

/** Faults by which nobody has the issuer's keys. */
const BLIND: readonly FaultName[] = [
  ...(['down', 'destroy', 'hang', 'slow', 'dribble', 'error', 'elsewhere', 'loop'] as const),
  ...(['page', 'truncated', 'huge', 'broken', 'keyless', 'empty', 'stranger', 'nowhere'] as const),
]
const FAULT_ROWS: readonly FaultRow[] = [
  ...BLIND.map((fault) => ({ fault, unknown: [AWAY], cold: [AWAY] })),
  { fault: 'flapping', unknown: [UNKNOWN, AWAY], cold: [PASSED, AWAY] },
  { fault: 'private', unknown: [UNKNOWN], cold: [PASSED] },
]

/** What happened at an issuer while it misbehaved, and at one that misbehaved before anyone asked it. */
interface Story {
  readonly known: readonly Seen[]
  readonly unknown: readonly Seen[]
  readonly cold: readonly Seen[]
  /** How often the issuer whose keys are known was asked for metadata or keys. */
  readonly asked: number
}

/** One answer, as its caller saw it. */
interface Seen {
  readonly status: number
  /** Of a denial. */
  readonly code: string | undefined
  readonly retryAfter: string | null
}

const askOnce = async (gate: Gate, token: string): Promise<Seen> => {
  const response = await askGate(gate, '/v1/x', { token })
  const retryAfter = response.headers.get('retry-after')
  return { ...(await outcome(response)), retryAfter }
}

/** What was answered, each kind once: `200`, or a status and a code. */
const kindsOf = (seen: readonly Seen[]): readonly string[] =>
  [...new Set(seen.map(({ status, code }) => (code ? `${status} ${code}` : `${status}`)))].sort()

const coldOf = (fault: string) => `${fault}-cold`

let setting: Issued
const stories = new Map<string, Story>()

beforeAll(async () => {
  const entryOf = (fault: keyof typeof FAULTS) => ({
    jwks_cache: { max_fresh: '2m' },
    // Without its address the keys are found by metadata.
    ...('metadata' in FAULTS[fault] && { jwks_uri: undefined }),
  })
  const wanted = FAULT_ROWS.flatMap(({ fault }) => [
    [fault, entryOf(fault)] as const,
    [coldOf(fault), entryOf(fault)] as const,
  ])
  setting = await startIssued(Object.fromEntries(wanted), await clocked())
  await makePatient(setting.gate)
  // All at once: what goes wrong at one issuer must not show at another.
  const all = (tell: (row: FaultRow) => Promise<unknown>) => Promise.all(FAULT_ROWS.map(tell))
  await all(async ({ fault }) => expect(await setting.use(fault)).toEqual(ALLOWED))
  await all(async ({ fault }) => {
    await setting.of(fault).fail(fault)
    await setting.of(coldOf(fault)).fail(fault)
  })
  await forward(setting.gate, FRESH)
  await makeImpatient(setting.gate)
  const answering = 'private'
  await Promise.all(
    FAULT_ROWS.filter(({ fault }) => fault !== answering).map(async ({ fault }) =>
      stories.set(fault, await tell(fault)),
    ),
  )
  await makePatient(setting.gate)
  // This one does answer, and well, whenever that is.
  stories.set(answering, await tell(answering))
  await all(async ({ fault }) => {
    for (const name of [fault, coldOf(fault)]) {
      await setting.of(name).fail()
      await setting.of(name).rotate()
    }
  })
  await forward(setting.gate, KEY_TIMES.longestFailureMs)
})
afterAll(() => setting.close())

const tell = async (fault: string): Promise<Story> => {
  const issuer = setting.of(fault)
  const asked = () => issuer.requests.length + issuer.discoveries.length
  const before = asked()
  const token = await setting.good(fault)
  const [cold, known, unknown] = await Promise.all([
    Promise.all([1, 2].map(async () => askOnce(setting.gate, await setting.good(coldOf(fault))))),
    Promise.all([1, 2].map(() => askOnce(setting.gate, token))),
    Promise.all(
      ['one', 'private'].map(async (kid) =>
        askOnce(setting.gate, await setting.good(fault, { kid })),
      ),
    ),
  ])
  return {
    known: [...known, await askOnce(setting.gate, token)],
    unknown,
    cold,
    asked: asked() - before,
  }
}

it.each(FAULT_ROWS)(
  'lets tokens of known keys pass while an issuer misbehaves, and is healed afterwards: $fault',
  async ({ fault, ...row }) => {
    const { known, unknown, cold, asked } = stories.get(fault) as Story
    expect(kindsOf(known)).toEqual([PASSED])
    for (const kind of kindsOf(unknown)) expect(row.unknown).toContain(kind)
    for (const kind of kindsOf(cold)) expect(row.cold).toContain(kind)
    for (const { status, retryAfter } of [...unknown, ...cold]) {
      if (status === 503) expect(retryAfter).toMatch(/^[1-9]\d*$/)
      else expect(retryAfter).toBeNull()
    }
    // It does not wear the issuer out.
    expect(asked).toBeLessThan(12)
    for (const name of [fault, coldOf(fault)]) {
      await until(
        () => setting.use(name),
        ({ status }) => status === 200,
        PATIENCE,
      )
    }
  },
)
