import type { ApprovalTime } from './approval-time.ts'
import type { Series } from './match.ts'
import type { PolicySize } from './policy-size.ts'
import type { RefusedUploads } from './refused-uploads.ts'
import type { RevocationSize } from './revocation-size.ts'
import { rounded } from './statistics.ts'

/** What one run found, as it is saved. Names no host and no path. */
export interface Report {
  /** `YYYY-MM-DD`. */
  readonly date: string
  readonly machine: { readonly system: string; readonly cpu: string; readonly cores: number }
  readonly versions: Readonly<Record<string, string>>
  readonly settings: {
    readonly rounds: number
    readonly seconds: number
    readonly connections: number
  }
  readonly lines: readonly Line[]
  readonly policy: readonly PolicySize[]
  /** Absent where it was not measured. */
  readonly revocations?: RevocationSize
  /** Absent where it was not measured. */
  readonly approvals?: ApprovalTime
  readonly uploads?: readonly RefusedUploads[]
}

/** What one row was measured to be. */
export interface Line {
  readonly id: string
  readonly group: string
  /** The kind of request, and who was asked. */
  readonly kind: string
  readonly title: string
  /** Microseconds of workerd's processor time for a request, in each round. */
  readonly cpu: readonly number[]
  /** Requests a second, in each round. */
  readonly rate: readonly number[]
}

/** The lines of all series, in their order. */
export const linesOf = (all: readonly Series[]): readonly Line[] =>
  all.map(({ row: { id, group, kind, overHttp, title }, measures }) => ({
    id,
    group,
    kind: overHttp ? `${kind.title}, over HTTP` : kind.title,
    title,
    cpu: measures.map(({ cpu }) => rounded(1, cpu)),
    rate: measures.map(({ rate }) => rounded(0, rate)),
  }))
