import { fail } from '../../base/result.ts'
import { isIdentityText } from '../../base/text.ts'
import { type ClaimGrant, type ClaimRule, claimPathText } from '../../model/claims.ts'
import type { Issuer } from '../../model/issuer.ts'
import { type Route, takesIssuer } from '../../model/route.ts'
import { holesOf } from '../../model/scope.ts'
import { nameText, readDecidingPath, text } from '../reading/fields.ts'
import { quote, type Report, unknownName } from '../reading/issues.ts'
import { kept, keptOf } from '../reading/kept.ts'
import { isReading } from '../reading/rows.ts'
import { type KeyDocs, list, type Readable, readTable, required } from '../reading/table.ts'
import { claimRules } from './claim-rules.ts'
import { type Shared, sharedOf } from './profiles.ts'
import { readHoles, readWhole } from './scopes.ts'
import { showClaims, showing } from './show-parts.ts'

const CLAIMS = {
  hole: /\{([^{}]*)\}/,
  hint: 'a claim path is written {name}',
  separator: /[^A-Za-z0-9._~-]/,
}

const agentId = text((source) => {
  const template = readHoles(source, CLAIMS)
  if (!template.ok) return template
  const holes = holesOf(template.value)
  const [first = ''] = template.value.parts
  if (holes.length > 0 && !CLAIMS.separator.test(first.slice(-1))) {
    return fail(
      `${quote(source)}: begin with text of your own that ends in a character like :, or a value could be the id of another agent`,
    )
  }
  for (const hole of holes) {
    const path = readDecidingPath(hole)
    if (!path.ok) return fail(`${quote(source)}: {${hole}} ${path.reason}`)
    if (path.value[0] === 'act') {
      return fail(`${quote(source)}: {${hole}} is of an actor, which another issuer may have named`)
    }
  }
  return isIdentityText(source)
    ? template
    : fail('must be non-empty text without control characters')
})

/** Shown with the name of the issuer. */
const shown = showing<ClaimGrant, string>()

export const GRANT_KEYS = {
  issuer: shown(required(nameText), (_grant, issuer) => issuer),
  claims: shown(kept(required(claimRules), []), ({ claims }) => showClaims(claims)),
  scopes: kept(required(list(text(readWhole), { empty: true })), []),
  agent_type: shown(kept(nameText), ({ agentType }) => agentType),
  agent_id: shown(kept(agentId), ({ agentId: template }) => template?.source),
}

export const GRANT_DOCS: KeyDocs<typeof GRANT_KEYS> = {
  issuer: {
    description:
      'The name of the issuer\'s table. Its [`scopes_from`](configuration/issuers.md#keys-of-issuersname) must be `"grants"` or `"both"`.',
    example: 'github',
  },
  claims: {
    description:
      'Claim path → what the claim must be, [as for an issuer](configuration/issuers.md#keys-of-claims). A token must have all of them; `{}` matches every token of the issuer.',
    example: { repository_id: '123', ref: 'refs/heads/main' },
  },
  scopes: {
    description:
      "The scopes that such a token gets. A token gets the scopes of all grants that match it. A grant cannot give scopes of the gate's own endpoints (`edgewarden:…`).",
    example: ['documents:read'],
  },
  agent_type: {
    description:
      "The agent's [type](configuration/delegation.md#agent-types), in place of what the token says. Two types for one token are 403 `grant_conflict`.",
    example: 'ci',
  },
  agent_id: {
    description:
      "The agent's id after `agent_prefix`, in place of what the token says: text that ends in a separator such as `:`, then claim paths in braces. Each must be a whole number, or 1 to 128 letters, digits, `.`, `_`, `~` and `-`; else 403 `grant_value_invalid`. Two ids for one token are 403 `grant_conflict`.",
    example: 'gh:{repository_id}',
  },
}

/** A grant as read, where it is written, and where to report what is wrong with it. */
export interface WrittenGrant {
  readonly path: string
  readonly entry: Readable<typeof GRANT_KEYS>
  readonly report: Report
}

/** Reads one table of GRANTS by itself. */
export function readGrant(path: string, raw: unknown, report: Report): WrittenGrant {
  return { path, entry: readTable(GRANT_KEYS, raw, report), report }
}

/** The grants that name an issuer, as its tokens get them. */
export function grantsOf(name: string, grants: readonly WrittenGrant[]): readonly ClaimGrant[] {
  return grants
    .filter(({ entry }) => entry.issuer === name)
    .map(({ path, entry }) => ({ name: path, ...keptOf(GRANT_KEYS, entry) }))
}

/**
 * Reports grants of issuers that are not there or take none, grants that give nothing, and those to actors by a name
 * that actors of another issuer may have too.
 */
export function checkGrants(
  grants: readonly WrittenGrant[],
  issuers: ReadonlyMap<string, Issuer>,
  declared: ReadonlySet<string>,
): void {
  for (const { entry, report } of grants) {
    const { issuer: name = '', claims = [], scopes, agent_type: type, agent_id: id } = entry
    const issuer = issuers.get(name)
    if (entry.issuer !== undefined && !declared.has(name)) {
      report(['issuer'], unknownName('issuer', name, [...declared]))
    }
    if (issuer && !issuer.scopesFrom) {
      report(
        ['issuer'],
        `${quote(name)} takes no grants; write scopes_from = "grants" into its table, or "both" if the scopes of its tokens count too`,
      )
    }
    const ofActor = claims.find(({ path: [first] }) => first === 'act')
    if (ofActor && issuer?.delegation.issuers.size && !claims.some(isActorIssuer)) {
      report(
        ['claims', claimPathText(ofActor.path)],
        `is of an actor, which may be of another issuer (${quote(name)} has delegation.issuers): write act.iss too`,
      )
    }
    if (scopes?.length === 0 && type === undefined && id === undefined) {
      report([], 'gives nothing: write scopes, agent_type or agent_id')
    }
  }
}

const isActorIssuer = ({ path }: ClaimRule): boolean => claimPathText(path) === 'act.iss'

/**
 * Reports issuers that sign for everybody where neither their entry nor all that accepts their tokens pins an owner by
 * an id, and says how a stranger would get in.
 */
export function checkShared(
  issuers: ReadonlyMap<string, Issuer>,
  routes: readonly Route[],
  report: Report,
): void {
  for (const [name, { issuer: iss, claims, scopesFrom, grants = [] }] of issuers) {
    const shared = sharedOf(iss)
    if (!shared || isPinned(claims, shared)) continue
    const open = routes.filter(
      (route) =>
        isReading(route) &&
        takesIssuer(route, iss) &&
        route.scopes.scopes.length === 0 &&
        !isPinned(route.claims, shared),
    )
    const ways = [
      ...(scopesFrom === 'grants' ? [] : ['the scopes that its token says']),
      ...grants.filter((one) => !isPinned(one.claims, shared)).map((one) => one.name),
      ...open.map((route) => `the rule ${quote(route.name)}, which asks for no scope`),
    ]
    if (ways.length === 0) continue
    const [first = '', ...pins] = shared.pins.map(claimPathText)
    report(
      [name, 'claims'],
      `pins no owner, and this issuer signs for everybody: ${shared.strangers} can ask it for a token for this gate, and would get in by ${ways.join('; ')}. Write an id of the owner, which nobody else can take over, here or in each grant: claims = { ${first} = "…" }${pins.length > 0 ? ` (or ${pins.join(', ')})` : ''}`,
    )
  }
}

/**
 * Whether a claim must be one of listed ids of an owner. The claim in a stranger's token may be empty, so an empty
 * value pins nobody.
 */
const isPinned = (claims: readonly ClaimRule[], { pins }: Shared): boolean => {
  const names = pins.map(claimPathText)
  return claims.some(
    ({ path, expected }) =>
      names.includes(claimPathText(path)) &&
      [expected]
        .flat()
        .every((id) => (typeof id === 'string' ? id.trim() !== '' : Number.isFinite(id))),
  )
}
