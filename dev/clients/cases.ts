import { setTimeout as wait } from 'node:timers/promises'
import { SILENT } from './world.ts'

/** A client that is connected. */
export interface Session {
  /** Names of tools. */
  list(): Promise<readonly string[]>
  /** Calls a tool and gives its text; rejects with the client's own error. */
  call(name: string, given: Readonly<Record<string, unknown>>): Promise<string>
  close(): Promise<void>
}

/** What a case can do. */
export interface Stage {
  connect(): Promise<Session>
  revoke(): Promise<void>
  restart(): Promise<void>
  /** Waits until the server has a call to `slow_count` with this number. */
  counting(to: number): Promise<void>
  /** Of the tokens, in seconds. */
  readonly lifetime: number
}

export interface Case {
  readonly name: string
  /** Whether tokens expire in the middle. */
  readonly short?: true
  /** Scopes of the first token; all unless given. */
  readonly scope?: string
  /** Needs a client that gets tokens by itself. */
  readonly renews?: true
  /** Of MCP only. */
  readonly mcp?: true
  /** A person signs in. The text ends with how often, and with why tokens were refused. */
  readonly person?: true
  /** Only the gate can do it. */
  readonly gateOnly?: true
  /** Nothing else runs meanwhile. */
  readonly alone?: true
  /** What is right: a text of this kind, or an error of this kind. */
  readonly resolves?: RegExp
  readonly rejects?: RegExp
  run(stage: Stage): Promise<string>
}

/** Each revoked call counts to a number of its own. */
let numbers = 100

const weather = (session: Session) => session.call('get_weather', { city: 'Lund' })
const count = (session: Session, to: number) => session.call('slow_count', { to })
const SUNNY = /sunny in Lund/
const sunnyTimes = (times: number) => Array(times).fill(SUNNY.source).join(' ')
/** How many people call about an expiry. */
const SWEEP = 10
/** Of a person: one who has signed in once, and whose refresh token was never used twice. */
const ONCE = '; signed in once, refused: never$'

/** Calls, does something, and calls again. */
const twice = (between: (stage: Stage) => Promise<unknown>) => async (stage: Stage) => {
  const session = await stage.connect()
  await weather(session)
  await between(stage)
  return weather(session)
}

/** Begins a call, and revokes its agent. */
const revoked =
  (offset: number) =>
  async ({ connect, revoke, counting }: Stage) => {
    const to = offset + numbers++
    const answer = count(await connect(), to)
    answer.catch(() => {})
    await counting(to)
    await revoke()
    return answer
  }

const expiring = async ({ connect, lifetime }: Stage) =>
  // Two steps a second: twice as long as the token lives.
  count(await connect(), 4 * lifetime)

const idle = twice(({ lifetime }) => wait(3 * lifetime * 1000))

export const CASES: readonly Case[] = [
  {
    name: 'list',
    resolves: /get_weather/,
    run: async ({ connect }) => (await (await connect()).list()).join(' '),
  },
  { name: 'allowed', resolves: SUNNY, run: async ({ connect }) => weather(await connect()) },
  {
    name: 'denied',
    rejects: /./,
    run: async ({ connect }) => (await connect()).call('forbidden_tool', {}),
  },
  {
    name: 'refresh',
    ...{ short: true, renews: true, resolves: SUNNY },
    run: twice(({ lifetime }) => wait((lifetime + 1) * 1000)),
  },
  {
    name: 'step-up',
    ...{ scope: 'mcp:connect', renews: true, mcp: true, resolves: /wrote a/ },
    run: async ({ connect }) => (await connect()).call('files_write', { path: 'a', content: 'b' }),
  },
  {
    name: 'expiry in a call',
    ...{ short: true, resolves: /counted to/, run: expiring },
  },
  {
    name: 'idle over expiries',
    ...{ short: true, renews: true, resolves: SUNNY, run: idle },
  },
  {
    name: 'code flow: expiry in a call',
    ...{ short: true, person: true, resolves: RegExp(`counted to \\d+${ONCE}`), run: expiring },
  },
  {
    name: 'code flow: idle over expiries',
    ...{ short: true, person: true, resolves: RegExp(SUNNY.source + ONCE), run: idle },
  },
  {
    name: 'code flow: calls about an expiry',
    ...{ short: true, person: true, resolves: RegExp(sunnyTimes(SWEEP) + ONCE) },
    // A token expires up to a second before its lifetime is over: its `iat` is in whole seconds.
    async run({ connect, lifetime }) {
      const again = async (_: unknown, index: number) => {
        const session = await connect()
        await weather(session)
        await wait((lifetime - 1) * 1000 + index * 250)
        return weather(session)
      }
      const people = Array.from({ length: SWEEP }, again)
      await Promise.allSettled(people)
      return (await Promise.all(people)).join(' ')
    },
  },
  {
    name: 'revoked in a call',
    ...{ gateOnly: true, rejects: /revoked/, run: revoked(0) },
  },
  {
    name: 'revoked before the answer',
    ...{ gateOnly: true, mcp: true, rejects: /revoked/, run: revoked(SILENT) },
  },
  { name: 'restart', alone: true, resolves: SUNNY, run: twice(({ restart }) => restart()) },
  {
    name: 'five sessions',
    resolves: RegExp(sunnyTimes(5)),
    async run({ connect }) {
      const sessions = await Promise.all(Array.from({ length: 5 }, connect))
      return (await Promise.all(sessions.map(weather))).join(' ')
    },
  },
]
