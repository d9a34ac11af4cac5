import { setTimeout as wait } from 'node:timers/promises'

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
  /** Only the gate can do it. */
  readonly gateOnly?: true
  /** Nothing else runs meanwhile. */
  readonly alone?: true
  /** What is right: a text of this kind, or an error of this kind. */
  readonly resolves?: RegExp
  readonly rejects?: RegExp
  /** Seconds after which an error is too late. */
  readonly within?: number
  run(stage: Stage): Promise<string>
}

/** Each revoked call counts to a number of its own. */
let numbers = 50

const weather = (session: Session) => session.call('get_weather', { city: 'Lund' })
const count = (session: Session, to: number) => session.call('slow_count', { to })
const SUNNY = /sunny in Lund/

/** Calls, does something, and calls again. */
const twice = (between: (stage: Stage) => Promise<unknown>) => async (stage: Stage) => {
  const session = await stage.connect()
  await weather(session)
  await between(stage)
  return weather(session)
}

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
    ...{ scope: 'mcp:connect', renews: true, resolves: /wrote a/ },
    run: async ({ connect }) => (await connect()).call('files_write', { path: 'a', content: 'b' }),
  },
  {
    name: 'expiry in a call',
    ...{ short: true, resolves: /counted to/ },
    // Two steps a second: twice as long as the token lives.
    run: async ({ connect, lifetime }) => count(await connect(), 4 * lifetime),
  },
  {
    name: 'idle over expiries',
    ...{ short: true, renews: true, resolves: SUNNY },
    run: twice(({ lifetime }) => wait(4 * lifetime * 1000)),
  },
  {
    name: 'revoked in a call',
    ...{ gateOnly: true, rejects: /revoked/, within: 5 },
    async run({ connect, revoke, counting }) {
      const to = numbers++
      const answer = count(await connect(), to)
      answer.catch(() => {})
      await counting(to)
      await revoke()
      return answer
    },
  },
  { name: 'restart', alone: true, resolves: SUNNY, run: twice(({ restart }) => restart()) },
  {
    name: 'five sessions',
    resolves: new RegExp(Array(5).fill(SUNNY.source).join(' ')),
    async run({ connect }) {
      const sessions = await Promise.all(Array.from({ length: 5 }, connect))
      return (await Promise.all(sessions.map(weather))).join(' ')
    },
  },
]
