import { CONNECTIONS } from '../kinds.ts'
import { ISSUER } from '../policy.ts'
import { median } from '../statistics.ts'
import type { Mint } from '../tokens.ts'
import {
  aboveFirst,
  arenaOf,
  askOnce,
  type Case,
  dealt,
  gateRow,
  inSeconds,
  PASS,
  processorTime,
} from './measure.ts'
import { type Growth, type Means, seriesOf, sizesFor } from './report.ts'

/** What grows with a policy. */

/** Starts of the process, each with a first request. */
const STARTS = 3
/** New tokens of a connection in a round; more than it sends. */
const NEW_TOKENS = 80

const rowsOf = (cases: readonly Case[]) => cases.map(({ row }) => row)

/** Policies with more and more rules: a known token asks for a new path each time. */
export const measureRules = async (mint: Mint, means: Means): Promise<Growth> => {
  const sizes = sizesFor(means, 10_000, [10, 100, 1_000, 10_000])
  const known = dealt(await mint.mint('ES256', CONNECTIONS))
  const cases = [
    PASS,
    ...sizes.map((rules) => gateRow(`rules-${rules}`, { rules, manyPaths: true })),
  ].map((row) => ({ row, feed: () => known }))
  const first = sizes.map(() => [] as number[])
  let requests: readonly number[] = []
  for (let start = 1; start <= (means.quick ? 1 : STARTS); start++) {
    const arena = await arenaOf(mint, rowsOf(cases))
    try {
      for (const [i, times] of first.entries()) {
        const { row } = cases[i + 1] ?? { row: PASS }
        const good = known[0]?.[0] ?? { token: '' }
        times.push(await processorTime(arena.server, () => askOnce(arena.server, row, good)))
      }
      if (start === 1) requests = await aboveFirst(arena.server, cases, means)
    } finally {
      await arena.close()
    }
  }
  const lines = [
    { what: 'a request', unit: 's' },
    { what: 'the first request of an isolate, which reads the policy,', unit: 's' },
  ] as const
  const found = sizes.map(
    (size, i) => [size, [inSeconds(requests[i] ?? 0), median(first[i] ?? [])]] as const,
  )
  return { name: 'rules', of: 'rules', series: seriesOf(lines, new Map(found)) }
}

/** The issuer with a number; the first is the one of every policy. */
const issuerAt = (i: number): string => (i === 0 ? ISSUER : `https://auth-${i}.acme.example`)

/** Policies with more and more issuers, each of which signs as many of the tokens. */
export const measureIssuers = async (mint: Mint, means: Means): Promise<Growth> => {
  const sizes = sizesFor(means, 100, [1, 10, 100])
  const fresh = async (issuers: number) =>
    dealt(await mint.mintEach(NEW_TOKENS * CONNECTIONS, (i) => ({ iss: issuerAt(i % issuers) })))
  const known = dealt(await mint.mint('ES256', CONNECTIONS))
  const tables = (count: number) =>
    Array.from({ length: count }, (_, i) => [
      `acme${i}`,
      {
        issuer: issuerAt(i),
        agent_prefix: `acme${i}/`,
        jwks: { keys: mint.keys },
        max_lifetime: '60m',
      },
    ])
  const cases: readonly Case[] = [
    { row: PASS, feed: () => known },
    ...sizes.map((size) => ({
      row: gateRow(`issuers-${size}`, {
        newTokens: true,
        vars: { ISSUERS: Object.fromEntries(tables(size)) },
      }),
      feed: () => fresh(size),
    })),
  ]
  const arena = await arenaOf(mint, rowsOf(cases))
  try {
    const requests = await aboveFirst(arena.server, cases, means)
    const found = sizes.map((size, i) => [size, [inSeconds(requests[i] ?? 0)]] as const)
    const lines = [{ what: 'a request with a new token', unit: 's' }] as const
    return { name: 'issuers', of: 'issuers', series: seriesOf(lines, new Map(found)) }
  } finally {
    await arena.close()
  }
}
