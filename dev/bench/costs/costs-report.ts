import type { Report } from '../report.ts'

/** What a request costs in each configuration, as it is saved. */
export interface CostsReport extends Pick<Report, 'date' | 'machine' | 'versions'> {
  /** Requests that were counted, and how many a second. */
  readonly counted: number
  readonly rate: number
  /** Requests, and first requests of isolates, whose processor time was measured. */
  readonly timed: number
  readonly started: number
  readonly lines: readonly CostLine[]
}

/** One configuration. */
export interface CostLine {
  readonly id: string
  readonly title: string
  /** Of a request to an isolate that knows the token or its like, on average. */
  readonly warm: Uses
  /** Of the first request of an isolate, with objects that are new. */
  readonly first: Uses
  /** Milliseconds of workerd's processor time for a request. */
  readonly cpu: { readonly mean: number; readonly p50: number; readonly p99: number }
  /** Of the first request of an isolate, while its objects are warm. */
  readonly cold: { readonly p50: number; readonly p99: number }
}

/** What is counted for a request. */
export interface Uses {
  /** Calls by the Worker: the origin, KV and objects. */
  readonly subrequests: number
  /** Reads of KV, and writes. */
  readonly kvReads: number
  readonly kvWrites: number
  /** Fetches from the issuer. */
  readonly issuer: number
  /** Binding → calls of its objects, also those by objects. */
  readonly objects: Readonly<Record<string, number>>
  readonly rowsRead: number
  readonly rowsWritten: number
}
