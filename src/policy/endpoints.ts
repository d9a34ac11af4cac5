import type { CorsRule, Endpoint, Route, Target } from '../core/model/route.ts'
import { metadataPath } from '../core/model/well-known.ts'
import { STRICT } from '../revocation/options.ts'
import { parseMatch } from './router.ts'

/** Any page may read what anyone may read. */
const METADATA_CORS: CorsRule = Object.freeze({
  origins: Object.freeze(['*']),
  methods: Object.freeze(['GET']),
  headers: Object.freeze(['*']),
  expose: Object.freeze(['X-Request-Id']),
  credentials: false,
})

interface Row {
  readonly match: string
  readonly endpoint: Endpoint
  readonly access: Route['access']
  readonly scope?: string
}

const AUDIT_SCOPE = 'edgewarden:audit:read'

/** The gate's endpoints under its prefix. */
const ROWS: readonly Row[] = [
  { match: 'GET /health', endpoint: 'health', access: 'public' },
  { match: 'GET /jwks.json', endpoint: 'jwks', access: 'public' },
  { match: 'GET /ready', endpoint: 'ready', access: 'optional' },
  {
    match: 'GET,POST,DELETE /revocations',
    endpoint: 'revocations',
    access: 'required',
    scope: 'edgewarden:revoke',
  },
  {
    match: 'GET,DELETE /revocations/{id}',
    endpoint: 'revocations',
    access: 'required',
    scope: 'edgewarden:revoke',
  },
  { match: 'POST /explain', endpoint: 'explain', access: 'required', scope: 'edgewarden:read' },
  { match: 'GET /policy', endpoint: 'policy', access: 'required', scope: 'edgewarden:read' },
  ...['GET /decisions', 'GET /decisions/{id}'].map(
    (match): Row => ({ match, endpoint: 'decisions', access: 'required', scope: AUDIT_SCOPE }),
  ),
  {
    match: 'POST /audit/erase',
    endpoint: 'decisions',
    access: 'required',
    scope: 'edgewarden:audit:erase',
  },
  { match: '*', endpoint: 'none', access: 'public' },
  { match: '* /*', endpoint: 'none', access: 'public' },
]

interface Own {
  readonly prefix: string
  /** Identifier of the gate's own resource. */
  readonly resource: string
  /** Identifiers of every resource, with their URLs. */
  readonly resources: ReadonlyMap<string, URL>
  /** Whether decisions are stored, and can be read. */
  readonly hasAudit: boolean
  /** Never used: nothing of the gate's own is forwarded. */
  readonly target: Target
}

/**
 * The gate's own rules, to stand before all others: its endpoints, one metadata document per
 * resource, and at last everything else under its prefix, which is not there.
 */
export function ownRoutes({
  prefix,
  resource,
  resources,
  hasAudit,
  target,
}: Own): readonly Route[] {
  const rule = (
    match: string,
    endpoint: Endpoint,
    access: Route['access'],
    more: Partial<Pick<Route, 'scopes' | 'cors' | 'host' | 'resource'>> = {},
  ): Route => {
    const reading = parseMatch(match)
    if (!reading.ok) throw new TypeError(`no rule: ${match}`)
    return Object.freeze({
      name: match,
      methods: reading.value.methods,
      path: reading.value.path,
      resource,
      access,
      scopes: Object.freeze({ mode: 'all', scopes: Object.freeze([]) }),
      claims: Object.freeze([]),
      mode: 'enforce',
      // Who administers the kill switch must not be one that was just revoked.
      revocation: STRICT,
      onRevocation: 'ignore',
      finishWithin: 0,
      target,
      inject: Object.freeze([]),
      secrets: Object.freeze([]),
      forwardClaims: Object.freeze([]),
      removedFromAnswers: Object.freeze([]),
      forwardToken: false,
      encodedSlash: false,
      endpoint,
      ...more,
    })
  }
  const served = ROWS.filter(({ endpoint }) => hasAudit || endpoint !== 'decisions')
  const rows = served.map(({ match, endpoint, access, scope }) => {
    const [methods, path = ''] = match.split(' ')
    return rule(
      `${methods} ${prefix}${path}`,
      endpoint,
      access,
      scope === undefined ? {} : { scopes: one(scope) },
    )
  })
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
  return Object.freeze([...rows.slice(0, -2), ...metadata, ...rows.slice(-2)])
}

const one = (scope: string): Route['scopes'] =>
  Object.freeze({
    mode: 'all',
    scopes: Object.freeze([Object.freeze({ source: scope, parts: [scope] })]),
  })
