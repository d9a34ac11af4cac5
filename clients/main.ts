import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { CASES, type Case, type Session } from './cases.ts'
import { DRIVERS, type Driver, identityOf } from './drivers.ts'
import { SCOPES, type Side, startWorld, type World } from './world.ts'

const PAGE = new URL('../docs/mcp/clients.md', import.meta.url)
const OUTCOMES = new URL('outcomes.json', import.meta.url)
const BLOCK = /(<!-- matrix -->\n).*?(<!-- \/matrix -->)/s
const BOUND = 30_000
const AT_ONCE = 5

interface Outcome {
  /** What the promise of the client did. */
  readonly did: 'resolved' | 'rejected' | 'hung'
  /** Of the case, or from the revocation on. */
  readonly seconds: number
  readonly text: string
}

interface Cell {
  readonly driver: Driver
  readonly case: Case
  readonly agent: string
}

const [only, onlyCase] = process.argv.slice(2)
const CELLS: readonly Cell[] = DRIVERS.flatMap((driver) =>
  CASES.map((one) => ({
    driver,
    case: one,
    agent: `${driver.name}.${one.name}`.replace(/\W+/g, '-'),
  })),
).filter(
  ({ driver, case: { name } }) => driver.name.includes(only ?? '') && name.includes(onlyCase ?? ''),
)

/** An error with what it was caused by. */
const textOf = (error: unknown): string =>
  error instanceof Error
    ? [error.message, error.cause && textOf(error.cause)].filter(Boolean).join(': ')
    : String(error)

const runSide = async (world: World, cell: Cell, side: Side): Promise<Outcome> => {
  const { driver, agent } = cell
  const url = world.sides[side] + driver.path
  const sessions: Session[] = []
  let begun = performance.now()
  const credentials = {
    ...{ clientId: agent, clientSecret: `${agent}-secret`, expectedIssuer: world.server.issuer },
    scope: cell.case.scope ?? SCOPES.join(' '),
  }
  const running = cell.case.run({
    async connect() {
      const token = () => world.server.token({ ...credentials, resource: url })
      const session = await driver.connect(url, identityOf(credentials, token))
      sessions.push(session)
      return session
    },
    async revoke() {
      await world.revoke(agent)
      begun = performance.now()
    },
    restart: world.restart,
    counting: world.counting,
    lifetime: driver.lifetime,
  })
  const [did, text] = await Promise.race([
    running.then(
      (text) => ['resolved', text] as const,
      (error: unknown) => ['rejected', textOf(error)] as const,
    ),
    wait(BOUND, ['hung', ''] as const, { ref: false }),
  ])
  const seconds = Math.round((performance.now() - begun) / 100) / 10
  const closed = Promise.allSettled(sessions.map((session) => session.close()))
  await Promise.race([closed, wait(5000, undefined, { ref: false })])
  return { did, seconds, text }
}

const isRight = (one: Case, { did, seconds, text }: Outcome): boolean =>
  one.resolves
    ? did === 'resolved' && one.resolves.test(text)
    : did === 'rejected' && seconds < (one.within ?? BOUND) && one.rejects?.test(text) === true

const verdictOf = (one: Case, direct: Outcome | undefined, gate: Outcome): string => {
  if (isRight(one, gate)) return direct && !isRight(one, direct) ? 'only the gate works' : 'same'
  return direct && !isRight(one, direct) ? 'same: fails' : 'only the gate fails'
}

const runCell = async (world: World, cell: Cell) => {
  const one = cell.case
  const named = { client: cell.driver.name, case: one.name }
  if (one.renews && !cell.driver.renews) return { ...named, verdict: 'not applicable' }
  const direct = one.gateOnly ? undefined : await runSide(world, cell, 'direct')
  const gate = await runSide(world, cell, 'gate')
  const result = { ...named, verdict: verdictOf(one, direct, gate), direct, gate }
  console.log(`${cell.driver.name} | ${one.name} | ${result.verdict}`)
  return result
}

type Result = Awaited<ReturnType<typeof runCell>> & { direct?: Outcome | undefined; gate?: Outcome }

const told = (outcome: Outcome | undefined) => {
  if (!outcome) return '–'
  const text = outcome.text.replace(/\s+/g, ' ').replaceAll('`', "'")
  return `${outcome.did} in ${outcome.seconds} s${text && `, \`${text.slice(0, 200)}\``}`
}

const render = (results: readonly Result[]): string => {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const verdict = (driver: Driver, one: Case) =>
    results.find(({ client, case: name }) => client === driver.name && name === one.name)
      ?.verdict ?? '–'
  const table = [
    row(['', ...CASES.map(({ name }) => name)]),
    row(['---', ...CASES.map(() => '---')]),
    ...DRIVERS.map((driver) => row([driver.name, ...CASES.map((one) => verdict(driver, one))])),
  ]
  const different = results
    .filter(({ verdict }) => verdict.startsWith('only'))
    .map(
      (one) => `- ${one.client}, ${one.case}: direct ${told(one.direct)}; gate ${told(one.gate)}`,
    )
  return `\n${[...table, '', ...different].join('\n').trim()}\n\n`
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

const world = await startWorld(
  CELLS.map((cell) => ({
    ...{ clientId: cell.agent, clientSecret: `${cell.agent}-secret`, scopes: SCOPES },
    ...(cell.case.short && { tokenLifetime: cell.driver.lifetime }),
  })),
)
// A client's error that no promise of it has.
const stray: string[] = []
for (const event of ['unhandledRejection', 'uncaughtException']) {
  process.on(event, (error: unknown) => stray.push(textOf(error)))
}
const results = [
  ...(await runAll(
    world,
    CELLS.filter((cell) => !cell.case.alone),
    AT_ONCE,
  )),
  ...(await runAll(
    world,
    CELLS.filter((cell) => cell.case.alone),
    1,
  )),
]
writeFileSync(OUTCOMES, JSON.stringify({ results, stray }, undefined, 2))
if (CELLS.length === DRIVERS.length * CASES.length) {
  const page = readFileSync(PAGE, 'utf8')
  writeFileSync(
    PAGE,
    page.replace(BLOCK, (_, begin, end) => begin + render(results) + end),
  )
} else console.log(render(results))
await Promise.race([world.close(), wait(5000)])
process.exit()
