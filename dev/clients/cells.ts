import { setTimeout as wait } from 'node:timers/promises'
import { type Person, person } from '../../test/kit/mcp/person.ts'
import { CASES, type Case, type Session, textOf } from './cases.ts'
import { DRIVERS, type Driver, identityOf, SHORT } from './drivers.ts'
import { isMeasured } from './measured.ts'
import { LIMITED, PEOPLE, SCOPES } from './places.ts'
import { type Outcome, type Result, verdictOf } from './results.ts'
import type { Sabotage } from './sabotage.ts'
import { type Side, startWorld, type World } from './world.ts'

/** Seconds for one side of a cell, beside six lifetimes of its tokens. */
const PATIENCE = 30
const LONG = 300
/** Milliseconds from a client's error to the end of its connection. */
const ENDING = 2000
/** Of a client's request, those that a further request has too. */
const RAW_HEADERS = /^(?:authorization|accept|content-type|mcp-.*)$/
const CANCELLED = 'notifications/cancelled'
/** How much longer tokens live when a cell is run again. */
const LONGER = 2

/** A case of a client. */
export interface Cell {
  readonly driver: Driver
  readonly case: Case
  readonly agent: string
  /** Of its tokens, in seconds. */
  readonly lifetime: number
}

const lifetimeOf = ({ lifetime }: Driver, { short, person }: Case): number => {
  if (!short) return LONG
  return person ? SHORT : lifetime
}

/** All cells. */
export const TABLE: readonly Cell[] = DRIVERS.flatMap((driver) =>
  CASES.filter((one) => isMeasured(driver, one)).map((one) => ({
    driver,
    case: { ...one, ...(one.rejects && { rejects: driver.expects?.[one.name] ?? one.rejects }) },
    agent: `${driver.name}.${one.name}`.replace(/\W+/g, '-'),
    lifetime: lifetimeOf(driver, one),
  })),
)

/** The cell once more, for another agent. */
export function again(cell: Cell): Cell {
  return { ...cell, agent: `${cell.agent}-again`, lifetime: cell.lifetime * LONGER }
}

const seconds = (ms: number) => Math.round(ms / 10) / 100

const runSide = async (world: World, cell: Cell, side: Side): Promise<Outcome> => {
  const { driver, agent, case: one, lifetime } = cell
  const prefix = (one.person && PEOPLE) || (one.limited && LIMITED) || ''
  const url = world.sides[side] + prefix + driver.path
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
    sent: () => world.sent(side, agent),
    async post(body) {
      const { headers } = world.sent(side, agent).findLast((one) => one.body !== '') ?? {}
      const answer = await fetch(url, {
        method: 'POST',
        headers: Object.entries(headers ?? {}).flatMap(([name, value]): [string, string][] =>
          RAW_HEADERS.test(name) ? [[name, String(value)]] : [],
        ),
        body: JSON.stringify(body),
      })
      return answer.text()
    },
    async cancelled(to) {
      const isTold = () =>
        world
          .sent(side, agent)
          .some(({ body, status = 0 }) => body.includes(CANCELLED) && status < 300 && status > 0)
      while (!world.hasLeft(to) && !isTold()) await wait(50)
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
  const endedAt = () => (counted === undefined ? undefined : world.ended(counted))
  // A client may fail at the last event, before its connection ends.
  const isOver = () => revoked === undefined || endedAt() !== undefined
  for (let waited = 0; !isOver() && waited < ENDING; waited += 50) await wait(50)
  const ended = endedAt()
  if (revoked === undefined || ended === undefined) return { ...outcome, text }
  const ending = { bound: seconds(ended - revoked), late: seconds(Math.max(over - ended, 0)) }
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
export async function runAll(
  world: World,
  cells: readonly Cell[],
  atOnce: number,
): Promise<Result[]> {
  const results: Result[] = []
  const queue = cells.values()
  const work = async () => {
    for (const cell of queue) results.push(await runCell(world, cell))
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return results
}

/** Starts a world that knows the agents of these cells. */
export function worldOf(cells: readonly Cell[], sabotage?: Sabotage): Promise<World> {
  return startWorld(
    cells.map(({ agent, lifetime }) => ({
      ...{ clientId: agent, clientSecret: `${agent}-secret`, scopes: SCOPES },
      tokenLifetime: lifetime,
    })),
    Object.fromEntries(
      cells.flatMap(({ agent, lifetime }) =>
        (['direct', 'gate'] as const).map((side) => [`${agent}-${side}`, lifetime]),
      ),
    ),
    sabotage,
  )
}
