import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { type Person, person } from '../../test/kit/mcp/person.ts'
import { CASES, type Case, type Session } from './cases.ts'
import { DRIVERS, type Driver, identityOf, SHORT } from './drivers.ts'
import { BLOCK, type Outcome, PAGE, type Result, render, SAME, verdictOf } from './results.ts'
import { MODELS, PEOPLE, SCOPES, type Side, startWorld, type World } from './world.ts'

const OUTCOMES = new URL('outcomes.json', import.meta.url)
/** Seconds for one side of a cell, beside six lifetimes of its tokens. */
const PATIENCE = 30
const LONG = 300
const AT_ONCE = 4
/** How much longer tokens live when a cell is run again. */
const LONGER = 2

interface Cell {
  readonly driver: Driver
  readonly case: Case
  readonly agent: string
  /** Of its tokens, in seconds. */
  readonly lifetime: number
}

const isApplicable = ({ renews, path, asPerson }: Driver, one: Case): boolean =>
  (renews || !one.renews) &&
  (path !== MODELS || !one.mcp) &&
  (asPerson !== undefined || !one.person)

const lifetimeOf = ({ lifetime }: Driver, { short, person }: Case): number => {
  if (!short) return LONG
  return person ? SHORT : lifetime
}

const TABLE: readonly Cell[] = DRIVERS.flatMap((driver) =>
  CASES.filter((one) => isApplicable(driver, one)).map((one) => ({
    driver,
    case: one,
    agent: `${driver.name}.${one.name}`.replace(/\W+/g, '-'),
    lifetime: lifetimeOf(driver, one),
  })),
)

// Those that are run replace theirs of the run before.
const [only = '', onlyCase = ''] = process.argv.slice(2)
const CELLS = TABLE.filter(
  ({ driver, case: { name } }) => driver.name.includes(only) && name.includes(onlyCase),
)

/** The cell once more, for another agent. */
const again = (cell: Cell): Cell => ({
  ...cell,
  agent: `${cell.agent}-again`,
  lifetime: cell.lifetime * LONGER,
})

/** An error with what it was caused by. */
const textOf = (error: unknown): string =>
  error instanceof Error
    ? [error.message, error.cause && textOf(error.cause)].filter(Boolean).join(': ')
    : String(error)

const seconds = (ms: number) => Math.round(ms / 10) / 100

const runSide = async (world: World, cell: Cell, side: Side): Promise<Outcome> => {
  const { driver, agent, case: one, lifetime } = cell
  const url = world.sides[side] + (one.person ? PEOPLE : '') + driver.path
  const sessions: Session[] = []
  const begun = performance.now()
  let revoked: number | undefined
  let counted: number | undefined
  const credentials = {
    ...{ clientId: agent, clientSecret: `${agent}-secret`, expectedIssuer: world.server.issuer },
    scope: one.scope ?? SCOPES.join(' '),
  }
  const people: Person[] = []
  // Apart from what the other side's sessions still do.
  const clientId = `${agent}-${side}`
  const connect = async () => {
    if (one.person && driver.asPerson) {
      const who = person({ client_id: clientId })
      people.push(who)
      return driver.asPerson(url, who)
    }
    const token = () => world.server.token({ ...credentials, resource: url })
    return driver.connect(url, identityOf(credentials, token))
  }
  const running = one.run({
    async connect() {
      const session = await connect()
      sessions.push(session)
      return session
    },
    async revoke() {
      await world.revoke(agent)
      revoked = performance.now()
    },
    restart: world.restart,
    counting: async (to) => {
      counted = to
      await world.counting(to)
    },
    lifetime,
  })
  const [did, text] = await Promise.race([
    running.then(
      (text) => ['resolved', text] as const,
      (error: unknown) => ['rejected', textOf(error)] as const,
    ),
    wait((PATIENCE + (one.short ? 6 * lifetime : 0)) * 1000, ['hung', ''] as const, { ref: false }),
  ])
  const over = performance.now()
  const closed = Promise.allSettled(sessions.map((session) => session.close()))
  await Promise.race([closed, wait(5000, undefined, { ref: false })])
  const outcome = { did, seconds: seconds(over - begun) }
  if (one.person) {
    const times = Math.max(...people.map(({ opened }) => opened.length))
    const why = world.people.refusals(clientId).join(', ') || 'never'
    const signedIn = `signed in ${times === 1 ? 'once' : `${times} times`}, refused: ${why}`
    return { ...outcome, text: `${text}; ${signedIn}` }
  }
  const ended = counted === undefined ? undefined : world.ended(counted)
  if (revoked === undefined || ended === undefined) return { ...outcome, text }
  const ending = { bound: seconds(ended - revoked), late: seconds(over - ended) }
  return { ...outcome, text, ...ending }
}

const runCell = async (world: World, cell: Cell): Promise<Result> => {
  const { driver, case: one } = cell
  const direct = one.gateOnly ? undefined : await runSide(world, cell, 'direct')
  const gate = await runSide(world, cell, 'gate')
  const verdict = verdictOf(one, direct, gate)
  console.log(`${driver.name} | ${one.name} | ${verdict}`)
  return { client: driver.name, case: one.name, verdict, direct, gate }
}

/** Takes the cells one after the other, several at once. */
const runAll = async (world: World, cells: readonly Cell[], atOnce: number): Promise<Result[]> => {
  const results: Result[] = []
  const queue = cells.values()
  const work = async () => {
    for (const cell of queue) results.push(await runCell(world, cell))
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return results
}

const ALL = CELLS.flatMap((cell) => [cell, again(cell)])
const world = await startWorld(
  ALL.map(({ agent, lifetime }) => ({
    ...{ clientId: agent, clientSecret: `${agent}-secret`, scopes: SCOPES },
    tokenLifetime: lifetime,
  })),
  Object.fromEntries(
    ALL.flatMap(({ agent, lifetime }) =>
      (['direct', 'gate'] as const).map((side) => [`${agent}-${side}`, lifetime]),
    ),
  ),
)
// A client's error that no promise of it has.
const stray: string[] = []
for (const event of ['unhandledRejection', 'uncaughtException']) {
  process.on(event, (error: unknown) => stray.push(textOf(error)))
}
const isAlone = ({ driver, case: { alone, short, person } }: Cell) =>
  alone || (short && !person && driver.lifetime > SHORT)
const first = [
  ...(await runAll(
    world,
    CELLS.filter((cell) => !isAlone(cell)),
    AT_ONCE,
  )),
  ...(await runAll(world, CELLS.filter(isAlone), 1)),
]
// A process that is slow to start, or a machine that is busy, can let a token expire too soon.
const failed = first.filter(({ verdict }) => verdict !== SAME)
const isSame = (one: Pick<Result, 'client' | 'case'>, other: Pick<Result, 'client' | 'case'>) =>
  one.client === other.client && one.case === other.case
const isFailed = ({ driver, case: { name } }: Cell) =>
  failed.some((one) => isSame(one, { client: driver.name, case: name }))
const second = await runAll(world, CELLS.filter(isFailed).map(again), 1)
const ran = [
  ...first.filter(({ verdict }) => verdict === SAME),
  ...second.map((one) => ({ ...one, isAgain: true })),
]
const kept = existsSync(OUTCOMES) ? JSON.parse(readFileSync(OUTCOMES, 'utf8')).results : []
const results: readonly Result[] = [
  ...kept.filter((old: Result) => !ran.some((one) => isSame(one, old))),
  ...ran,
]
writeFileSync(OUTCOMES, JSON.stringify({ results, failed, stray }, undefined, 2))
// A checkout without outcomes.json, where only some cells were run, keeps its table.
const hasRun = ({ driver, case: { name } }: Cell) =>
  results.some((one) => isSame(one, { client: driver.name, case: name }))
if (TABLE.every(hasRun)) {
  const page = readFileSync(PAGE, 'utf8')
  writeFileSync(
    PAGE,
    page.replace(BLOCK, (_, begin, end) => begin + render(results) + end),
  )
}
await Promise.race([world.close(), wait(5000)])
process.exit()
