import { fail, ok } from '../../base/result.ts'
import { claimPath, claimPathText } from '../../model/claims.ts'
import type { Issuer, SignIn } from '../../model/issuer.ts'
import { isScopeToken } from '../../model/scope.ts'
import { claimPathField, text } from '../reading/fields.ts'
import { type Report, under } from '../reading/issues.ts'
import { kept, keptOf } from '../reading/kept.ts'
import { type KeyDocs, list, type Readable, required, table } from '../reading/table.ts'
import type { Profile } from './profile.ts'
import { showing } from './show-parts.ts'

/** RFC 6749 appendix A.1. */
const clientId = text((value) =>
  /^[\x20-\x7e]+$/.test(value)
    ? ok(value)
    : fail('must be the id of a client: printable ASCII characters'),
)

const scopeToken = text((value) =>
  isScopeToken(value) ? ok(value) : fail('must be a scope, as a token has it'),
)

const shown = showing<SignIn>()

export const PERSON_KEYS = {
  client_id: shown(kept(required(clientId), ''), ({ clientId }) => clientId),
  claim: shown(kept(claimPathField, claimPath('sub')), ({ claim }) => claimPathText(claim)),
  scopes: kept(list(scopeToken), [
    'edgewarden:read',
    'edgewarden:audit:read',
    'edgewarden:metrics',
  ] as readonly string[]),
}

export const PERSON_DOCS: KeyDocs<typeof PERSON_KEYS> = {
  client_id: {
    description:
      "The gate's own client at this issuer: public, without a secret, for the authorization code flow with PKCE.",
    example: 'edgewarden-console',
  },
  claim: {
    description:
      'Claim path of the ID token that names the person. Take one that the issuer never gives to somebody else later.',
    default: 'sub',
    example: 'oid',
  },
  scopes: {
    description:
      'Scopes that the gate asks for, beside `openid`. The issuer decides which of them the person gets.',
    default: ['edgewarden:read', 'edgewarden:audit:read', 'edgewarden:metrics'],
    example: ['edgewarden:read', 'edgewarden:audit:read', 'edgewarden:agents'],
  },
}

/** The field `person`: how people of an issuer sign in at the console. */
export const personField = table(PERSON_KEYS)

/** How people sign in, with the defaults. */
export function signInOf(
  entry: Readable<typeof PERSON_KEYS>,
  { audienceParameter = 'resource' }: Profile,
): SignIn {
  return { ...keptOf(PERSON_KEYS, entry), audienceParameter }
}

/** The keys of an issuer's table that decide whether people can sign in. */
type Beside = Readonly<Partial<Record<'person' | 'jwks' | 'admin' | 'possession', unknown>>>

/** Reports a `person` by which nobody could sign in, or by which a key in a file could. */
export function checkPerson(entry: Beside, profile: Profile, report: Report): void {
  if (!entry.person) return
  const at = under(report, 'person')
  if (entry.jwks) {
    at(
      [],
      'and jwks cannot both be set: whoever has the private key could sign in as anybody; write jwks_uri, or leave both out',
    )
  }
  if (profile.workload) at([], 'is for people, but the tokens of this profile are of workloads')
  if ((entry.admin ?? false) === false) {
    at([], 'needs admin: without it the console accepts nobody of this issuer')
  }
  if (entry.possession === 'required') {
    at([], 'and possession = "required" cannot both be set: the console gets tokens without `cnf`')
  }
}

/** Reports each `person` of a gate without a console. */
export function checkPeople(issuers: ReadonlyMap<string, Issuer>, report: Report): void {
  for (const [name, { person }] of issuers) {
    if (person) report([name, 'person'], 'needs GATE.console: people sign in there')
  }
}
