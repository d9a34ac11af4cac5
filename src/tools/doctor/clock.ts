import type { Exchange, Gathered } from './gather.ts'

/** Another machine's clock beside this one's. */
export interface ClockFact {
  /** Seconds by which it is surely ahead (behind below 0); 0 where the two may be the same. */
  readonly ahead: number
  /**
   * Seconds within which that is known: a Date is whole seconds old, a copy older, travel takes
   * time.
   */
  readonly within: number
}

/** RFC 9110 §5.6.7, the one form that servers send. */
const IMF_DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/

/**
 * The issuer's clock against this machine's, by the Date headers of its own origin, else of where
 * its keys are; the answer that agrees best counts, since a copy may be older than it says. Which
 * of the two is wrong is not known.
 */
export function clockOf(issuer: string, { metadata, keySet, again }: Gathered) {
  const exchanges = [...metadata, ...[keySet, again].flatMap((one) => one ?? [])].flatMap(
    (asked) => [...asked.exchanges],
  )
  const { origin } = new URL(issuer)
  const known = exchanges.flatMap((exchange) => {
    const fact = compared(exchange)
    return fact ? [{ fact, isOwn: new URL(exchange.url).origin === origin }] : []
  })
  const own = known.filter(({ isOwn }) => isOwn)
  const facts = (own.length > 0 ? own : known).map(({ fact }) => fact)
  return facts.sort((a, b) => Math.abs(a.ahead) - Math.abs(b.ahead) || a.within - b.within)[0]
}

const compared = ({ headers, sentAt, endedAt }: Exchange): ClockFact | undefined => {
  const date = IMF_DATE.test(headers.date ?? '') ? Date.parse(headers.date ?? '') : Number.NaN
  if (Number.isNaN(date)) return undefined
  // Some caches send the Date of the copy they have, some their own.
  const age = /^\d{1,9}$/.test(headers.age ?? '') ? Number(headers.age) * 1000 : 0
  const latest = date + 1000 + age
  const ahead = date > endedAt ? date - endedAt : Math.min(0, latest - sentAt)
  return { ahead: tenths(ahead), within: tenths(endedAt - sentAt + 1000 + age) }
}

const tenths = (milliseconds: number): number => Math.round(milliseconds / 100) / 10
