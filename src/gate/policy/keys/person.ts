import { fail, ok } from '../../base/result.ts'
import { claimPath, claimPathText } from '../../model/claims.ts'
import type { Issuer, SignIn } from '../../model/issuer.ts'
import { isScopeToken } from '../../model/scope.ts'
import { claimPathField, flag, text, type WrittenUrl } from '../reading/fields.ts'
import { quote, type Report, under } from '../reading/issues.ts'
import { kept, keptOf } from '../reading/kept.ts'
import { type KeyDocs, list, type Readable, table } from '../reading/table.ts'
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
  client_id: shown(kept(clientId, ''), ({ clientId }) => clientId || undefined),
  access: kept(flag),
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
      "The gate's own client at this issuer: public, without a secret, for the authorization code flow with PKCE. Required unless `access` is set.",
    example: 'edgewarden-console',
  },
  access: {
    description:
      'Whether [Cloudflare Access signs people in](console.md#people-by-cloudflare-access), in place of the code flow.',
    default: false,
    example: true,
  },
  claim: {
    description:
      'Claim path of the ID token, or of the assertion of Access, that names the person. Take one that the issuer never gives to somebody else later.',
    default: 'sub',
    example: 'oid',
  },
  scopes: {
    description:
      'Scopes that the gate asks for, beside `openid`; not with `access`. The issuer decides which of them the person gets.',
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
type Beside = Readonly<
  Partial<Record<'jwks' | 'admin' | 'possession' | 'profile', unknown>> & {
    readonly person?: Readable<typeof PERSON_KEYS>
    readonly issuer?: WrittenUrl
    readonly jwks_uri?: WrittenUrl
    readonly allow_insecure_http?: boolean
    readonly audiences?: readonly string[]
    readonly algorithms?: readonly string[]
  }
>

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
  if (entry.person.access) checkAccess(entry, entry.person, report)
  else if (entry.person.client_id === undefined) {
    at(['client_id'], 'is required, unless access = true: the gate signs people in as this client')
  }
  if (profile.workload) at([], 'is for people, but the tokens of this profile are of workloads')
  if ((entry.admin ?? false) === false) {
    at([], 'needs admin: without it the console accepts nobody of this issuer')
  }
  if (entry.possession === 'required') {
    at([], 'and possession = "required" cannot both be set: the console gets tokens without `cnf`')
  }
}

/** The address of a team of Cloudflare Access. */
const TEAM = /^https:\/\/[a-z\d][a-z\d-]*\.cloudflareaccess\.com$/
const AUDIENCE_TAG = /^[\da-f]{64}$/

/** Reports what keeps the assertions of Cloudflare Access from being verified, or what has no effect beside them. */
const checkAccess = (
  entry: Beside,
  { client_id, scopes }: Readable<typeof PERSON_KEYS>,
  report: Report,
): void => {
  const { issuer, jwks_uri, audiences, algorithms } = entry
  const at = under(report, 'person')
  if (client_id !== undefined) {
    at(['client_id'], 'and access = true cannot both be set: Access needs no client of the gate')
  }
  if (scopes) at(['scopes'], 'has no effect with access = true: Access decides on the claims')
  if (issuer && !entry.allow_insecure_http && !TEAM.test(issuer.text)) {
    at(['access'], 'is only for a team of Access: issuer = "https://TEAM.cloudflareaccess.com"')
  }
  const certs = `${issuer?.text}/cdn-cgi/access/certs`
  if (issuer && !entry.jwks && jwks_uri?.text !== certs) {
    report(['jwks_uri'], `must be ${quote(certs)} with person.access = true`)
  }
  if (!audiences?.every((one) => AUDIENCE_TAG.test(one))) {
    report(
      ['audiences'],
      'must be AUD tags of applications of Access with person.access = true: 64 hexadecimal digits each',
    )
  }
  if (entry.profile !== 'generic') {
    report(['profile'], 'must be "generic" with person.access = true, as Access has no other form')
  }
  if (algorithms && !algorithms.includes('RS256')) {
    report(['algorithms'], 'must contain "RS256" with person.access = true: Access signs with it')
  }
}

/** Reports each `person` of a gate without a console. */
export function checkPeople(issuers: ReadonlyMap<string, Issuer>, report: Report): void {
  for (const [name, { person }] of issuers) {
    if (person) report([name, 'person'], 'needs GATE.console: people sign in there')
  }
}
