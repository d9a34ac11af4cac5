import { setTimeout as wait } from 'node:timers/promises'
import { TOOLS as SERVED } from '../../test/kit/mcp/things.ts'
import { TOOLS } from './places.ts'
import type { Exchange } from './proxy.ts'
import { SILENT } from './world.ts'

/** A client that is connected. */
export interface Session {
  /** Names of tools. */
  list(): Promise<readonly string[]>
  /** Calls a tool and gives its text; rejects with the client's own error. */
  call(name: string, given: Readonly<Record<string, unknown>>): Promise<string>
  /** Calls `slow_count`. Gives when each part arrived, in milliseconds since the call. */
  parts?(to: number): Promise<readonly number[]>
  /** Begins to call `slow_count`. Gives what cancels the call. */
  begin?(to: number): () => void
  /** Uploads a file of this size. */
  upload?(bytes: number): Promise<unknown>
  /** Asks a model that calls a tool. Gives the call. */
  toolCall?(): Promise<string>
  close(): Promise<void>
}

/** What some clients cannot do: to get tokens by themselves or for a person, and what a session can do. */
export type Ability = 'renewal' | 'signIn' | 'list' | 'parts' | 'begin' | 'upload' | 'toolCall'

/** What a case can do. */
export interface Stage {
  connect(): Promise<Session>
  revoke(): Promise<void>
  restart(): Promise<void>
  /** Waits until the server has a call to `slow_count` with this number. */
  counting(to: number): Promise<void>
  /** What was sent so far, and what it was answered. */
  sent(): readonly Exchange[]
  /** Posts a body, in the session and with the token of the client. Gives the answer. */
  post(body: object): Promise<string>
  /** Waits until the server knows that the call with this number is cancelled. */
  cancelled(to: number): Promise<void>
  /** Of the tokens, in seconds. */
  readonly lifetime: number
}

export interface Case {
  readonly name: string
  /** Whether tokens expire in the middle. */
  readonly short?: true
  /** Scopes of the first token; all unless given. */
  readonly scope?: string
  /** Of MCP only. */
  readonly mcp?: true
  /** Of models only. */
  readonly models?: true
  readonly needs?: Ability
  /** Below a path that is limited. */
  readonly limited?: true
  /** A person signs in. The text ends with how often, and with why tokens were refused. */
  readonly person?: true
  /** Only the gate can do it. */
  readonly gateOnly?: true
  /** The gate must end the call within `max_staleness`. */
  readonly revokes?: true
  /** Nothing else runs meanwhile. */
  readonly alone?: true
  /** What is right: a text of this kind, or an error of this kind. */
  readonly resolves?: RegExp
  readonly rejects?: RegExp
  /** The same without the gate, if it is another text. */
  readonly directly?: RegExp
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

const exactly = (tools: object) => RegExp(`^${Object.keys(tools).sort().join(' ')}$`)
const list = async ({ connect }: Stage) => [...(await (await connect()).list())].sort().join(' ')

/** In the place of a client's error. */
const NOT_SENT = 'not sent by the client'
const FORBIDDEN = 'forbidden_tool'
/** Of a request. */
const ANY = /./
/** Bytes. */
const UPLOAD = 2 ** 20
/** More calls than a limited path allows. */
const MANY = 10
/** Of a stream. */
const STEPS = 6

/** An error with what it was caused by. */
export function textOf(error: unknown): string {
  return error instanceof Error
    ? [error.message, error.cause && textOf(error.cause)].filter(Boolean).join(': ')
    : String(error)
}

/** Fails with the client's error, and below it with the last answer to a request of this kind. */
const refused = async ({ sent }: Stage, kind: RegExp, act: () => Promise<unknown>) => {
  try {
    return String(await act())
  } catch (error) {
    const last = sent().findLast(({ path, body, status }) => status && kind.test(path + body))
    throw new Error(`${textOf(error)}\n${last?.status} ${last?.answer}`)
  }
}

/** What a denied call of a tool looks like. */
const IS_DENIED = /"forbidden_tool"/

/** Some clients do not send a call of a tool that is not in their list. Then it is sent for them. */
const denied = (stage: Stage) =>
  refused(stage, IS_DENIED, async () => {
    const session = await stage.connect()
    try {
      return await session.call(FORBIDDEN, {})
    } catch (error) {
      if (stage.sent().some(({ path, body }) => IS_DENIED.test(path + body))) throw error
      const params = { name: FORBIDDEN, arguments: {} }
      await stage.post({ jsonrpc: '2.0', id: 'raw', method: 'tools/call', params })
      throw new Error(NOT_SENT, { cause: error })
    }
  })

const PERSON = { short: true, person: true, mcp: true, needs: 'signIn' } as const

export const CASES: readonly Case[] = [
  { name: 'list', mcp: true, resolves: exactly(TOOLS), directly: exactly(SERVED), run: list },
  { name: 'list', models: true, needs: 'list', resolves: /^get_weather slow_count$/, run: list },
  { name: 'allowed', resolves: SUNNY, run: async ({ connect }) => weather(await connect()) },
  {
    name: 'denied',
    ...{
      mcp: true,
      rejects: /^(?:not sent|.*?may not be called here).*\n200 .*"code":"tool_not_allowed"/s,
    },
    directly: /"code":-32003/,
    run: denied,
  },
  {
    name: 'denied',
    ...{ models: true, rejects: /scope_missing.*\n403 .*"code":"scope_missing"/s },
    directly: /^403 .*insufficient_scope/m,
    run: (stage) => refused(stage, ANY, async () => (await stage.connect()).call(FORBIDDEN, {})),
  },
  {
    name: 'refused upload',
    ...{ models: true, needs: 'upload', rejects: /scope_missing.*\n403 .*"code":"scope_missing"/s },
    directly: /^403 .*insufficient_scope/m,
    run: (stage) => refused(stage, ANY, async () => (await stage.connect()).upload?.(UPLOAD)),
  },
  {
    name: '429',
    ...{ gateOnly: true, limited: true, rejects: /^429 .*"code":"rate_limited"/m },
    run: (stage) =>
      refused(stage, ANY, async () => {
        const session = await stage.connect()
        for (let calls = 0; calls < MANY; calls++) await weather(session)
        return 'no call was refused'
      }),
  },
  {
    name: 'stream',
    ...{ needs: 'parts', resolves: /^one by one/ },
    async run({ connect }) {
      const times = (await (await connect()).parts?.(STEPS)) ?? []
      const first = times[0] ?? Number.POSITIVE_INFINITY
      const whole = times.at(-1) ?? 0
      const pause = Math.max(...times.slice(1).map((time, i) => time - (times[i] ?? 0)))
      const isSteady = times.length >= STEPS && first < whole / 2 && pause < whole / 2
      const [begins, pauses, ends] = [first, pause, whole].map((ms) => (ms / 1000).toFixed(2))
      const how = isSteady ? 'one by one' : 'at once'
      return `${how}: the first part after ${begins} s of ${ends} s, pauses up to ${pauses} s`
    },
  },
  {
    name: 'cancel',
    ...{ needs: 'begin', resolves: /^cancelled$/ },
    async run({ connect, counting, cancelled }) {
      const to = numbers++
      const cancel = (await connect()).begin?.(to)
      await counting(to)
      cancel?.()
      await cancelled(to)
      return 'cancelled'
    },
  },
  {
    name: 'tool call of a model',
    ...{ models: true, needs: 'toolCall', resolves: /^get_weather {"city":"Lund"}$/ },
    run: async ({ connect }) => String(await (await connect()).toolCall?.()),
  },
  {
    name: 'refresh',
    ...{ short: true, needs: 'renewal', resolves: SUNNY },
    run: twice(({ lifetime }) => wait((lifetime + 1) * 1000)),
  },
  {
    name: 'step-up',
    ...{ scope: 'mcp:connect', needs: 'renewal', mcp: true, resolves: /wrote a/ },
    run: async ({ connect }) => (await connect()).call('files_write', { path: 'a', content: 'b' }),
  },
  {
    name: 'expiry in a call',
    ...{ short: true, resolves: /counted to/, run: expiring },
  },
  {
    name: 'idle over expiries',
    ...{ short: true, needs: 'renewal', resolves: SUNNY, run: idle },
  },
  {
    name: 'code flow: expiry in a call',
    ...{
      ...PERSON,
      resolves: RegExp(`counted to \\d+${ONCE}`),
      run: expiring,
    },
  },
  {
    name: 'code flow: idle over expiries',
    ...{
      ...PERSON,
      resolves: RegExp(SUNNY.source + ONCE),
      run: idle,
    },
  },
  {
    name: 'code flow: calls about an expiry',
    ...{
      ...PERSON,
      resolves: RegExp(sunnyTimes(SWEEP) + ONCE),
    },
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
    ...{ gateOnly: true, revokes: true, rejects: /revoked/, run: revoked(0) },
  },
  {
    name: 'revoked before the answer',
    ...{ gateOnly: true, revokes: true, mcp: true, rejects: /revoked/, run: revoked(SILENT) },
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
