/** Reads `delegation` of an issuer or a rule (docs/configuration/delegation.md). */

/** An actor or a subject: a `sub`, and its issuer by name or URL. */
export interface Party {
  sub: string
  /** `undefined` is the token's issuer. */
  issuer: string | undefined
}

/** Limits on the `act` claim. What is `undefined` does not limit. */
export interface DelegationLimits {
  maxDepth: number | undefined
  requireActor: boolean
  actors: Party[] | undefined
  subjects: Party[] | undefined
  /** Names or URLs of other issuers whose actors are accepted. */
  issuers: string[] | undefined
  mayAct: 'if_present' | 'required' | undefined
  parentScope: string | undefined
}

type Table = Record<string, unknown>

/** Reads the table `delegation`. */
export function readDelegation(table: Table): DelegationLimits {
  const actors = (table.actors as (string | Table)[] | undefined)?.map(readParty)
  return {
    maxDepth: table.max_depth as number | undefined,
    requireActor: (table.require_actor as boolean | undefined) ?? actors !== undefined,
    actors,
    subjects: (table.subjects as (string | Table)[] | undefined)?.map(readParty),
    issuers: table.issuers as string[] | undefined,
    mayAct: table.may_act as DelegationLimits['mayAct'],
    parentScope: table.parent_scope as string | undefined,
  }
}

function readParty(entry: string | Table): Party {
  if (typeof entry === 'string') return { sub: entry, issuer: undefined }
  return { sub: entry.sub as string, issuer: entry.issuer as string | undefined }
}
