import { setTimeout } from 'node:timers/promises'
import { request } from '../../../test/kit/request.ts'
import { type Arena, openArena } from '../arena.ts'
import { CONNECTIONS, HEADERS, KINDS } from '../kinds.ts'
import type { Row } from '../lineup.ts'
import { idle, load } from '../load.ts'
import { rehearse } from '../rehearsal.ts'
import { orderOf, quickerHalf } from '../statistics.ts'
import { authorized, type Credential, type Mint } from '../tokens.ts'
import type { Server } from '../workerd.ts'
import type { Means } from './report.ts'

/** The tokens of each connection. */
export type Feed = readonly (readonly Credential[])[]

/** A row, and the tokens that it is sent in a round. */
export interface Case {
  readonly row: Row
  readonly feed: (round: number) => Promise<Feed> | Feed
  /** A token that the set of the row revokes, where it has the large one. */
  readonly revoked?: Credential
}

const USUAL = { group: 'growth', kind: KINDS.get, overHttp: false } as const

/** The Worker that verifies nothing. */
export const PASS: Row = {
  ...USUAL,
  id: 'growth.a',
  name: 'a',
  title: 'pass-through',
  module: 'pass-through',
}

/** The gate as `edgewarden init` deploys it: with audit, registry and assertion. */
export const gateRow = (name: string, more: Partial<Row> = {}): Row => ({
  ...USUAL,
  id: `growth.${name}`,
  name: 'gate',
  title: name,
  module: 'gate',
  audit: 'stored',
  ...more,
  gate: { assertion: 'identity', ...more.gate },
})

/** One process with the Workers of some rows; `disk`: where it keeps its data, if that is used before or after. */
export const arenaOf = ({ keys }: Mint, rows: readonly Row[], disk?: string): Promise<Arena> =>
  openArena({ rows, disk, keys, readable: false, other: undefined, flags: [] })

/** Tokens dealt to the connections: a part of its own for each, or all the same few. */
export const dealt = (tokens: readonly Credential[]): Feed =>
  Array.from({ length: CONNECTIONS }, (_, connection) =>
    tokens.length < CONNECTIONS
      ? tokens.filter((_one, i) => i === connection % tokens.length)
      : tokens.filter((_one, i) => i % CONNECTIONS === connection),
  )

/** Milliseconds after which the audit stores what it gathered. */
const STORED = 400

/**
 * Microseconds that requests of each case take above the first case, which is the pass-through: of the process, with what
 * its objects do for them. Throws where one answers wrongly.
 */
export const aboveFirst = async (
  server: Server,
  cases: readonly Case[],
  { quick }: Means,
): Promise<readonly number[]> => {
  const [rounds, seconds, warmup] = quick ? [3, 0.4, 1] : [6, 0.6, 2]
  const bodies = new Map<Case, string>()
  const measure = async (one: Case, round: number, seconds: number) => {
    const credentials = await one.feed(round)
    const expectBody = bodies.get(one) ?? ''
    return load(server, { row: one.row, credentials, seconds, expectBody, later: STORED })
  }
  for (const one of cases) {
    const good = (await one.feed(-2))[0]?.[0] ?? { token: '' }
    const port = server.ports[one.row.id] ?? 0
    bodies.set(one, await rehearse(one.row, port, { good, revoked: one.revoked ?? good }))
    await measure(one, -1, warmup)
  }
  const found = new Map(cases.map((one) => [one, [] as number[]]))
  for (let round = 0; round < rounds; round++) {
    for (const one of orderOf(cases, round)) {
      found.get(one)?.push((await measure(one, round, seconds)).cpu)
    }
  }
  const [base = Number.NaN, ...others] = [...found.values()].map(quickerHalf)
  return others.map((cpu) => cpu - base)
}

/** Seconds of processor time that something takes, with what objects do of it soon after. */
export const processorTime = async (
  server: Server,
  what: () => Promise<unknown>,
): Promise<number> => {
  const before = await idle(server)
  await what()
  await setTimeout(STORED)
  return (await idle(server)) - before
}

/** Asks once, for the row's own path or another one. Throws unless it is answered 200. */
export const askOnce = async (
  server: Server,
  { id, kind }: Row,
  credential: Credential,
  other: { readonly path?: string; readonly method?: string; readonly body?: string } = {},
): Promise<void> => {
  const { path = kind.path, ...init } = other
  const headers = { ...HEADERS, ...kind.headers, ...authorized(credential) }
  const answer = await request(server.ports[id] ?? 0, path, { ...init, headers })
  const body = await answer.text()
  if (answer.status !== 200) throw new Error(`${id} answers ${answer.status}: ${body}`)
}

/** A point that is no number above zero cannot be drawn: what is measured to be nothing is a tenth of a microsecond. */
export const inSeconds = (microseconds: number): number => Math.max(microseconds, 0.1) / 1e6
