import type { FaultName } from '../kit/issuer-faults.ts'

/** What is right under a fault: each kind of answer as `kindsOf` has it. */
export interface FaultRow {
  readonly fault: FaultName
  /** For a key that the issuer never published. */
  readonly unknown: readonly string[]
  /** For a good token at a gate that knows no keys yet. */
  readonly cold: readonly string[]
  /** The issuer keeps whoever asks it waiting. */
  readonly hangs?: true
}

export const PASSED = '200'
const UNKNOWN = '401 key_unknown'
export const UNAVAILABLE = '503 keys_unavailable'

const blind = (fault: FaultName): FaultRow => ({
  fault,
  unknown: [UNAVAILABLE],
  cold: [UNAVAILABLE],
})
const hanging = (fault: FaultName): FaultRow => ({ ...blind(fault), hangs: true })

export const FAULT_ROWS: readonly FaultRow[] = [
  blind('down'),
  blind('destroy'),
  hanging('hang'),
  hanging('slow'),
  hanging('dribble'),
  blind('error'),
  blind('elsewhere'),
  blind('loop'),
  blind('page'),
  blind('truncated'),
  blind('huge'),
  blind('broken'),
  blind('keyless'),
  blind('empty'),
  blind('stranger'),
  blind('nowhere'),
  { fault: 'flapping', unknown: [UNKNOWN, UNAVAILABLE], cold: [PASSED, UNAVAILABLE] },
  { fault: 'private', unknown: [UNKNOWN], cold: [PASSED] },
]
