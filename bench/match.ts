import { createFeeds } from './feeds.ts'
import type { Contender } from './lineup.ts'
import { load, type Measure } from './load.ts'
import { REVOKED_TOKEN } from './policy.ts'
import type { Algorithm } from './public-key.ts'
import { rehearse } from './rehearsal.ts'
import { orderOf } from './statistics.ts'
import type { Mint } from './tokens.ts'
import type { Server } from './workerd.ts'

/** Who, how long and how often. */
export interface MatchOptions {
  readonly contenders: readonly Contender[]
  readonly algorithms: readonly Algorithm[]
  readonly rounds: number
  /** Of one measurement. */
  readonly seconds: number
  /** Of warming up one contender under one algorithm, before the first round. */
  readonly warmup: number
  readonly note: (text: string) => void
  /** Awaited once, when everyone is warm. */
  readonly onWarm?: () => Promise<void>
}

/** All measures of one contender under one algorithm, in the order of the rounds. */
export interface Series {
  readonly contender: Contender
  readonly alg: Algorithm
  readonly measures: Measure[]
}

/** New tokens a second while warming up; there they may repeat. */
const WARMING = 2_000

/**
 * Rehearses, warms up and runs the rounds: in each, every contender once under each algorithm.
 * Throws when a contender answers wrongly, before or during the load. A variant that this build
 * of the gate does not know is left out, with a note.
 */
export const runMatch = async (
  server: Server,
  mint: Mint,
  options: MatchOptions,
): Promise<readonly Series[]> => {
  const { algorithms, rounds, seconds, warmup, note } = options
  const bodies = await rehearseAll(server, mint, options)
  const contenders = [...bodies.keys()]
  const feeds = await createFeeds(mint, algorithms)
  const measure = (contender: Contender, alg: Algorithm, duration: number, once: boolean) =>
    load(server, {
      port: server.ports[contender.id] ?? 0,
      feeds: feeds.of(contender, alg),
      once,
      manyPaths: contender.manyPaths ?? false,
      toolCall: contender.toolCall,
      seconds: duration,
      expectBody: bodies.get(contender) ?? '',
    })
  const fastest = new Map<Algorithm, number>()
  for (const alg of algorithms) {
    await feeds.renew(alg, WARMING, 1)
    for (const contender of contenders) {
      const { rate } = await measure(contender, alg, warmup, false)
      if (contender.tokens === 'new') fastest.set(alg, Math.max(fastest.get(alg) ?? 0, rate))
    }
    note(`warm: ${alg}`)
  }
  await options.onWarm?.()
  const all: readonly Series[] = contenders.flatMap((contender) =>
    algorithms.map((alg) => ({ contender, alg, measures: [] })),
  )
  for (let round = 0; round < rounds; round++) {
    for (const alg of algorithms) {
      await feeds.renew(alg, fastest.get(alg) ?? 0, seconds)
      const series = all.filter((one) => one.alg === alg)
      for (const { contender, measures } of orderOf(series, round)) {
        measures.push(await measure(contender, alg, seconds, contender.tokens === 'new'))
      }
      note(`round ${round + 1} of ${rounds}: ${alg}`)
    }
  }
  return all
}

/** Who can be measured → what it answers. */
const rehearseAll = async (
  server: Server,
  mint: Mint,
  { contenders, algorithms, note }: MatchOptions,
) => {
  const bodies = new Map<Contender, string>()
  const unable = new Set<Contender>()
  for (const alg of algorithms) {
    for (const contender of contenders) {
      const [good = ''] = await mint.mint(alg, 1)
      const [revoked = ''] = await mint.mint(alg, 1, REVOKED_TOKEN)
      const port = server.ports[contender.id] ?? 0
      const rehearsal = await rehearse(contender, port, { good, revoked })
      if (rehearsal.outcome === 'ready') bodies.set(contender, rehearsal.body)
      else if (!unable.has(contender)) {
        unable.add(contender)
        note(`${contender.id}: left out, this gate does not know ${JSON.stringify(contender.gate)}`)
      }
    }
  }
  return bodies
}
