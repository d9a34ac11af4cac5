import { deepFreeze } from '../base/json.ts'
import type { CorsRule, Endpoint, Route, Target } from '../model/route.ts'
import { metadataPath } from '../model/well-known.ts'
import { STRICT } from './keys/revocation.ts'
import { parseMatch } from './reading/router.ts'

/** Any page may read what anyone may read. */
const METADATA_CORS: CorsRule = {
  origins: ['*'],
  methods: ['GET'],
  headers: ['*'],
  expose: ['X-Request-Id'],
  credentials: false,
}

type Row = readonly [
  endpoint: Endpoint,
  access: Route['access'],
  matches: readonly string[],
  scope?: string,
]

/** The scopes to read what the gate does, and to decide on calls that wait for a person. */
export const READ = 'edgewarden:read'
export const APPROVE = 'edgewarden:approve'

/** Under the gate's prefix. */
const ROWS: readonly Row[] = [
  ['health', 'public', ['GET /health']],
  ['jwks', 'public', ['GET /jwks.json']],
  ['ready', 'optional', ['GET /ready']],
  [
    'revocations',
    'required',
    ['GET,POST,DELETE /revocations', 'GET,DELETE /revocations/{id}'],
    'edgewarden:revoke',
  ],
  // Its handler checks whose token is given back.
  ['revoke', 'required', ['POST /revoke']],
  // Its handler checks the transmitter.
  ['events', 'public', ['POST /events']],
  // Their handlers check who the caller is: an agent that has asked, an operator, or an owner of an agent.
  ['approvals', 'required', ['GET /approvals', 'GET,POST,DELETE /approvals/{id}']],
  ['explain', 'required', ['POST /explain'], READ],
  ['policy', 'required', ['GET /policy'], READ],
  ['metrics', 'required', ['GET /metrics'], 'edgewarden:metrics'],
  [
    'decisions',
    'required',
    ['GET /decisions', 'GET /decisions/live', 'GET /decisions/{id}', 'GET /usage'],
    'edgewarden:audit:read',
  ],
  ['decisions', 'required', ['POST /audit/erase'], 'edgewarden:audit:erase'],
  [
    'agents',
    'required',
    [
      'GET /agents',
      'GET,PUT,PATCH /agents/entry',
      'POST /agents/suspend',
      'POST /agents/resume',
      'POST /agents/retire',
      'GET /agents/adopt',
      'GET /alerts',
      'GET /alerts/{id}',
      'POST /alerts/{id}/dismiss',
      'POST /alerts/{id}/release',
      'POST /alerts/{id}/suspend',
    ],
    'edgewarden:agents',
  ],
  // A person needs no scope to sign in; the handler checks the scope of others.
  ['console', 'required', ['GET,POST /console']],
  ['console', 'required', ['POST /console/diff'], READ],
  ['console', 'required', ['GET /console/reach'], 'edgewarden:agents'],
  ['console', 'required', ['GET /console/changes/{id}'], 'edgewarden:audit:read'],
]

/** Scopes of the gate's own endpoints. */
export const OWN_SCOPES: readonly string[] = [
  ...new Set([APPROVE, ...ROWS.flatMap(([, , , scope]) => scope ?? [])]),
]

/** Everything else there. */
const REST: Row = ['none', 'public', ['*', '* /*']]

interface Own {
  readonly prefix: string
  readonly resource: string
  readonly resources: ReadonlyMap<string, URL>
  /** Endpoints whose binding is missing. */
  readonly missing: readonly Endpoint[]
  /** Never used: nothing of the gate's own is forwarded. */
  readonly target: Target
}

/**
 * The gate's own rules, which come before all others: its endpoints, one metadata document per resource, and last a
 * 404 for everything else under its prefix.
 */
export function ownRoutes({ prefix, resource, resources, missing, target }: Own): readonly Route[] {
  const rule = (
    match: string,
    endpoint: Endpoint,
    access: Route['access'],
    more: Partial<Pick<Route, 'scopes' | 'cors' | 'host' | 'resource'>> = {},
  ): Route => {
    const reading = parseMatch(match)
    if (!reading.ok) throw new TypeError(`no rule: ${match}`)
    return deepFreeze({
      name: match,
      methods: reading.value.methods,
      path: reading.value.path,
      resource,
      access,
      scopes: { mode: 'all', scopes: [] },
      claims: [],
      mode: 'enforce',
      // A revoked administrator must not administer revocations.
      revocation: STRICT,
      onRevocation: 'end-streams',
      finishWithin: 0,
      target,
      inject: [],
      secrets: [],
      forwardClaims: [],
      removedFromAnswers: [],
      forwardToken: false,
      encodedSlash: false,
      endpoint,
      ...more,
    })
  }
  const rules = ([endpoint, access, matches, scope]: Row): readonly Route[] =>
    matches.map((match) => {
      const [methods, path = ''] = match.split(' ')
      const more = scope === undefined ? {} : { scopes: one(scope) }
      return rule(`${methods} ${prefix}${path}`, endpoint, access, more)
    })
  const served = ROWS.filter(([endpoint]) => !missing.includes(endpoint))
  const sharers = new Map<string, number>()
  for (const url of resources.values()) {
    const path = metadataPath(url.href)
    sharers.set(path, (sharers.get(path) ?? 0) + 1)
  }
  const metadata = [...resources].map(([identifier, url]) => {
    const path = metadataPath(url.href)
    const shared = (sharers.get(path) ?? 0) > 1
    return rule(`GET,OPTIONS ${path}`, 'metadata', 'public', {
      resource: identifier,
      cors: METADATA_CORS,
      ...(shared && { host: url.hostname }),
    })
  })
  return [...served.flatMap(rules), ...metadata, ...rules(REST)]
}

const one = (scope: string): Route['scopes'] => ({
  mode: 'all',
  scopes: [{ source: scope, parts: [scope] }],
})
