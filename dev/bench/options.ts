import { parseArgs } from 'node:util'
import { PART_NAMES } from './growth/main.ts'
import { baseOf, GROUPS, LINEUP, type Row, withOther } from './lineup.ts'

/** What the command line asks for. */
export interface Options {
  readonly rows: readonly Row[]
  /** The file of another build of the gate, which takes part beside it. */
  readonly other: string | undefined
  readonly rounds: number
  readonly seconds: number
  readonly warmup: number
  /** Where the report goes; a run of everything, not quick, has a place of its own. */
  readonly json: string | undefined
  /** Where a CPU profile goes, of the first row that is not a pass-through. */
  readonly profile: string | undefined
  /** Whether policies of several sizes are measured too. */
  readonly policies: boolean
  /** Whether the large revocation set is measured too. */
  readonly revocations: boolean
  /** Whether held calls are measured too. */
  readonly approvals: boolean
  /** Whether refused uploads are measured too. */
  readonly uploads: boolean
  /** The plots of what grows, in place of everything else; none unless they are asked for. */
  readonly growth: readonly string[]
  /** Whether what a request costs is measured, and nothing else. */
  readonly costs: boolean
  readonly quick: boolean
}

const NAMES = [...new Set(LINEUP.map(({ name }) => name))]
const SETS = ['revocations', 'policies', 'approvals', 'uploads']

/** The help text. */
export const USAGE = `npm run bench -- [options]

  --only post,gate   a group, with all in it: ${GROUPS.join(', ')};
                     a Worker, wherever it takes part: ${NAMES.join(', ')};
                     one row, as post.gate; what they are measured above comes with them.
                     Or "revocations", what a large set costs, "policies", what reading one costs, "approvals", how
                     long after the decision a held call is forwarded, and "uploads", what refused uploads cost
  --growth           what grows with rules, agents, records and more, in place of everything else; saves results and
                     plots, and with --only some of ${PART_NAMES.join(', ')}
  --rounds 12        rounds, each with every row once
  --seconds 1        length of one measurement
  --costs            only what a request costs, by configuration; saves dev/bench/results/costs.json
  --quick            20 rounds, no large set; without --only of post, post-http and sse
  --other FILE       beside each gate another build of it, a file that "npm run build" made
  --json FILE        save the report (a run of everything saves dev/bench/results/latest.json)
  --profile FILE     save a CPU profile of the first row that is not (a), and list its functions`

/** Reads the command line; `undefined` when help is asked for. Throws at what it does not know. */
export const readOptions = (
  args: readonly string[],
  standardReport: string,
): Options | undefined => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      other: { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'string' },
      quick: { type: 'boolean', default: false },
      growth: { type: 'boolean', default: false },
      costs: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const { quick, costs, profile, other, only = quick ? 'post,post-http,sse' : undefined } = values
  const growth = values.growth ? partsFor(values.only) : []
  const whole = [only, profile, other].every((one) => one === undefined)
  const asked = values.growth ? [] : (only?.split(',') ?? [...GROUPS, ...SETS])
  const rows = rowsFor(asked).filter((row) => !(quick && row.largeSet))
  return {
    rows: other === undefined ? rows : rows.flatMap(withOther),
    other,
    rounds: positive('rounds', values.rounds, quick ? 20 : 12),
    seconds: positive('seconds', values.seconds, quick ? 0.2 : 1),
    warmup: quick ? 1 : 3,
    json: values.json ?? (whole && !costs ? standardReport : undefined),
    profile,
    policies: asked.includes('policies'),
    revocations: asked.includes('revocations'),
    approvals: asked.includes('approvals'),
    uploads: asked.includes('uploads'),
    growth,
    costs,
    quick,
  }
}

/** What is named, and what it is measured above, in the order of the table. Throws for a name that is none. */
const rowsFor = (asked: readonly string[]): readonly Row[] => {
  const ids = LINEUP.map(({ id }) => id)
  const known = [...GROUPS, ...NAMES, ...SETS, ...ids]
  const unknown = asked.filter((one) => !known.includes(one))
  if (unknown.length > 0) throw new Error(`nothing is called ${unknown.join(', ')}; see --help`)
  const named = LINEUP.filter(({ id, group, name }) =>
    [id, group, name].some((one) => asked.includes(one)),
  )
  const bases = named.map(({ group }) => baseOf(group))
  return LINEUP.filter((row) => named.includes(row) || bases.includes(row.id))
}

/** The plots that are named; all if none is. Throws for a name that is none. */
const partsFor = (only: string | undefined): readonly string[] => {
  const asked = only?.split(',') ?? PART_NAMES
  const unknown = asked.filter((one) => !PART_NAMES.includes(one))
  if (unknown.length > 0) throw new Error(`no plot is called ${unknown.join(', ')}; see --help`)
  return PART_NAMES.filter((name) => asked.includes(name))
}

const positive = (name: string, text: string | undefined, usual: number): number => {
  const value = text === undefined ? usual : Number(text)
  if (!(value > 0)) throw new Error(`--${name} is a number above 0`)
  return value
}
