/** Reads `delegation` of an issuer or a rule (docs/configuration/delegation.md). */
import type { Table } from './values.ts'

/** An actor or a subject: a `sub`, and its issuer by name or URL, else the token's. */
export interface Party {
  sub: string
  issuer?: string
}

/** Limits on the `act` claim. What is `undefined` does not limit. */
export type DelegationLimits = ReturnType<typeof readDelegation>

/** Reads the table `delegation`. */
export function readDelegation(table: Table) {
  const given = <T>(key: string) => table[key] as T | undefined
  const parties = (key: string) =>
    given<(string | Party)[]>(key)?.map((one) => (typeof one === 'string' ? { sub: one } : one))
  const actors: Party[] | undefined = parties('actors')
  return {
    maxDepth: given<number>('max_depth'),
    requireActor: given<boolean>('require_actor') ?? actors !== undefined,
    actors,
    subjects: parties('subjects') as Party[] | undefined,
    /** Names or URLs of other issuers whose actors are accepted. */
    issuers: given<string[]>('issuers'),
    mayAct: given<'if_present' | 'required'>('may_act'),
    parentScope: given<string>('parent_scope'),
  }
}
