import type { Counts, Dropped, Problems } from '../../gate/model/audit.ts'

/** What may be wrong with a gate: the name of the problem, and what to do about it. */
export const PROBLEMS = {
  unavailable: 'The gate answers 503. docs/denials.md says what to do about each code',
  origin: 'Origins fail, or do not answer in time. Examine them',
  keys: "An issuer's keys cannot be fetched. Run: edgewarden doctor ISSUER",
  revocations: 'A copy of the revocation set is not renewed. The log has revocations_pull_failed',
  events: 'Security events cannot be polled. The log has events_poll_failed',
  assertion_keys: 'There is no key to sign assertions with. The log has the reason',
  policy: 'The policy has mistakes, so every request is 503. Run: edgewarden check',
  clock:
    'The clock of the machine went back. Records and alerts may be late. Examine its time service',
  audit: 'The audit dropped records of proved tokens. `dropped` of GET PREFIX/decisions says which',
} as const

export type Problem = keyof typeof PROBLEMS

/** Milliseconds in which a problem counts, and between two marks of the counts. */
const WINDOW_MS = 300_000
const STEP_MS = 15_000
/** Fewer failures are not reported as a problem. */
const LEAST = 5

/** Counts in which a share of failures is a problem. */
const SHARES = {
  unavailable: { of: /^(?:allowed|denied) /, failed: /^denied \S+ 503$/, share: 0.05 },
  origin: {
    of: /^origin |^denied origin_(?:unreachable|timeout) /,
    failed: /^origin 5|^denied origin_(?:unreachable|timeout) /,
    share: 0.1,
  },
} as const

const isWatched = (what: string): boolean => Object.values(SHARES).some(({ of }) => of.test(what))

export type Health = ReturnType<typeof createHealth>

interface Observed {
  readonly counts: Counts
  readonly droppedIn: (from: number) => readonly Dropped[]
}

/** Finds what is wrong: what isolates report, and what records say, by fixed bounds. */
export function createHealth({ counts, droppedIn }: Observed) {
  const reported = new Map<string, { readonly at: number; readonly found: string }>()
  /** The counts at some times of the last five minutes. */
  let marks: { readonly at: number; readonly before: Counts }[] = []

  const mark = (): void => {
    const at = Date.now()
    if (at < (marks.at(-1)?.at ?? 0) + STEP_MS) return
    marks = marks.filter((one) => one.at > at - WINDOW_MS)
    const before = Object.fromEntries(Object.entries(counts).filter(([what]) => isWatched(what)))
    marks.push({ at, before })
  }

  const shareOf = (name: keyof typeof SHARES): string | undefined => {
    const { of, failed, share } = SHARES[name]
    const { before = counts } = marks[0] ?? {}
    const more = Object.entries(counts)
      .map(([what, count]) => ({ what, count: count - (before[what] ?? 0) }))
      .filter(({ what, count }) => count > 0 && of.test(what))
    const failures = more.filter(({ what }) => failed.test(what))
    const [all = 0, bad = 0] = [more, failures].map((some) =>
      some.reduce((sum, { count }) => sum + count, 0),
    )
    if (bad < LEAST || bad < share * all) return undefined
    const named = failures.map(({ what, count }) => `${what.replace('denied ', '')}: ${count}`)
    return `${bad} of ${all} in five minutes (${named.slice(0, 5).join(', ')})`
  }

  return {
    /** Notes what an isolate reports. Call it before the records of the same batch are counted. */
    note(problems: Problems = {}): void {
      mark()
      const at = Date.now()
      for (const [name, found] of Object.entries(problems)) reported.set(name, { at, found })
    },

    /** What is wrong, or was in the last five minutes. */
    found(): Problems {
      const since = Date.now() - WINDOW_MS
      marks = marks.filter(({ at }) => at > since)
      // Strangers can make more records than their share has room for, at any time.
      const gap = droppedIn(since).find(({ share }) => share !== 'strangers')
      const all = {
        unavailable: shareOf('unavailable'),
        origin: shareOf('origin'),
        audit: gap && `at least ${gap.records} records: ${gap.reason}`,
      }
      const recent = [...reported].flatMap(([name, { at, found }]) =>
        at > since ? [[name, found]] : [],
      )
      // What this shard has found comes last: another shard may have reported the same problem.
      const own = Object.entries(all).flatMap(([name, found]) => (found ? [[name, found]] : []))
      return Object.fromEntries([...recent, ...own])
    },
  }
}
