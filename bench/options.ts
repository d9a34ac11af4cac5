import { parseArgs } from 'node:util'
import { type Contender, LINEUP } from './lineup.ts'
import { ALGORITHMS, type Algorithm } from './public-key.ts'
import { STEPS, type Step } from './steps.ts'

/** What the command line asks for. */
export interface Options {
  readonly contenders: readonly Contender[]
  /** Single steps, measured against the pass-through in a match of their own. */
  readonly steps: readonly Step[]
  readonly algorithms: readonly Algorithm[]
  readonly rounds: number
  readonly seconds: number
  readonly warmup: number
  readonly origin: 'binding' | 'loopback'
  /** Where the report goes; a run of everything, not quick, has a place of its own. */
  readonly json: string | undefined
  /** Where a CPU profile of the first contender goes. */
  readonly profile: string | undefined
  /** Who is measured once more before an origin over HTTP. */
  readonly network: readonly Contender[]
  /** Whether policies of several sizes are measured too. */
  readonly policies: boolean
  /** Whether the large revocation set is measured too. */
  readonly revocations: boolean
}

/** Who stands for the others before an origin over HTTP. */
const NETWORK = ['a', 'b', 'e-bounded', 'f-bounded']

/** What `--only` takes beside contenders and steps. */
const GROUPS = ['steps', 'revocations']

const idsOf = (all: readonly Contender[]): string => all.map(({ id }) => id).join(', ')

/** The help text. */
export const USAGE = `npm run bench -- [options]

  --only a,b,e       these contenders: ${idsOf(LINEUP)}
                     or steps: ${idsOf(STEPS)};
                     "steps" stands for all of those,
                     "revocations" for what a set of 1,000,000 revocations costs
  --alg ES256        these algorithms: ${ALGORITHMS.join(', ')}
  --rounds 5         rounds, each with every contender once
  --seconds 3        length of one measurement
  --quick            3 rounds of 1 s, ES256 only, no steps and no large revocation set:
                     for a look, not for a number
  --origin loopback  reach the origin over HTTP instead of a service binding
  --json FILE        save the report (a run of everything saves bench/results/latest.json)
  --profile FILE     save a CPU profile of the first contender and list its functions`

/** Reads the command line; `undefined` when help is asked for. Throws at what it does not know. */
export const readOptions = (
  args: readonly string[],
  standardReport: string,
): Options | undefined => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      alg: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      origin: { type: 'string', default: 'binding' },
      json: { type: 'string' },
      profile: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const { only, alg, quick, origin, profile } = values
  const whole = [only, alg, profile].every((one) => one === undefined) && !quick
  if (origin !== 'binding' && origin !== 'loopback') {
    throw new Error('--origin is binding or loopback')
  }
  return {
    ...(only === undefined
      ? quick
        ? { contenders: LINEUP.filter(({ largeSet }) => !largeSet), steps: [], revocations: false }
        : { contenders: LINEUP, steps: STEPS, revocations: true }
      : chosen(only.split(','))),
    algorithms: alg === undefined ? (quick ? ['ES256'] : ALGORITHMS) : algorithmsIn(alg),
    rounds: positive('rounds', values.rounds, quick ? 3 : 5),
    seconds: positive('seconds', values.seconds, quick ? 1 : 3),
    warmup: quick ? 1 : 2,
    origin,
    json: values.json ?? (whole && origin === 'binding' ? standardReport : undefined),
    profile,
    network: whole && origin === 'binding' ? LINEUP.filter(({ id }) => NETWORK.includes(id)) : [],
    policies: only === undefined,
  }
}

/** The ones named, in the order of their tables. Throws for a name that is none. */
const chosen = (ids: readonly string[]): Pick<Options, 'contenders' | 'steps' | 'revocations'> => {
  const known = [...GROUPS, ...[...LINEUP, ...STEPS].map(({ id }) => id)]
  const unknown = ids.filter((id) => !known.includes(id))
  if (unknown.length > 0) {
    throw new Error(`no such contender: ${unknown.join(', ')}; there are ${known.join(', ')}`)
  }
  return {
    contenders: LINEUP.filter(({ id }) => ids.includes(id)),
    steps: STEPS.filter(({ id }) => ids.includes(id) || ids.includes('steps')),
    revocations: ids.includes('revocations'),
  }
}

const algorithmsIn = (text: string): readonly Algorithm[] =>
  text.split(',').map((name) => {
    const found = ALGORITHMS.find((alg) => alg === name)
    if (!found) throw new Error(`no such algorithm: ${name}; there are ${ALGORITHMS.join(', ')}`)
    return found
  })

const positive = (name: string, text: string | undefined, usual: number): number => {
  const value = text === undefined ? usual : Number(text)
  if (!(Number.isInteger(value) && value > 0))
    throw new Error(`--${name} is a whole number above 0`)
  return value
}
