import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { perObject } from '../../base/memo.ts'
import { ambiguousParameter, methodsNamed, queryValues } from '../../base/query.ts'
import {
  type HeaderReader,
  isGrpcCall,
  isPreflight,
  type RequestHead,
  readAddress,
} from '../../base/request.ts'
import { fail, ok } from '../../base/result.ts'
import { connectionOptions, foldedName } from '../../base/text.ts'
import type { Address } from '../../base/url.ts'
import type { Condition } from '../../model/condition.ts'
import type { LineFacts } from '../../model/facts.ts'
import { MCP_KINDS } from '../../model/mcp.ts'
import {
  decidingParams,
  METHODS,
  type Method,
  type Route,
  type RouteMatch,
  type WorkflowSource,
} from '../../model/route.ts'

const deny = denials({
  host_malformed: [
    'badRequest',
    'The Host header is not one plain name with an optional port',
    'Send one Host header with the name of the API',
  ],
  host_unknown: [
    'misdirected',
    'This gate does not serve that host',
    'Use the host of the API in the request URL',
  ],
  path_ambiguous: [
    'badRequest',
    'The path could be read in more than one way',
    'Send the path as the API documents it: in the same case, in plain letters, and with a slash at its end only if it has one there. Send no dot segments, double slashes, encoded slashes or double encoding, and no format, dot or space at its end',
  ],
  method_unknown: [
    'notAllowed',
    'The method is not one this gate knows',
    'Use one of the methods the Allow header names',
  ],
  grpc_unsupported: [
    'unsupported',
    'This gate does not forward native gRPC',
    'Call the API by gRPC-web or Connect, if it has them: gRPC needs HTTP trailers, which the gate cannot forward',
  ],
  method_ambiguous: [
    'badRequest',
    'The query names another method, which this route does not allow',
    'Send the request with the intended method, and no parameter like _method that overrides it',
  ],
  route_unknown: [
    'notFound',
    'No route matches this method and path',
    'Check method and path against the documentation of the API',
  ],
  insecure_transport: [
    'forbidden',
    'This resource is served over https only',
    'Repeat the request over https, with a new token: this one was sent unencrypted',
  ],
  parameter_ambiguous: [
    'badRequest',
    'A parameter that this route reads is missing, or can be read in more than one way',
    'Send each parameter and header that this route reads at most once; the one that names the workflow is required. Send no other name that differs only in case or punctuation, and do not name these headers in Connection. A query may have 100 parameters, no ; and only whole UTF-8 escapes; header values must be ASCII',
  ],
  preflight_refused: [
    'forbidden',
    'This route does not take cross-origin requests',
    'Call the API from a server, or ask the operator to allow cross-origin requests on this route',
  ],
})

/** The denials of this stage, for requests that match no route. */
export const routeDenials = deny

/** The matched rule and the request's parameters for it. */
export interface Routed {
  readonly route: Route
  readonly params: RouteMatch['params']
  /** The path parameters in the rule's scopes and identifiers. */
  readonly deciding: RouteMatch['params']
  readonly address: Address
  /** The workflow that the request names, where the rule reads one. */
  readonly namedWorkflow?: string
  /** Whether this is a CORS preflight that the rule accepts; the next stage then ends the line. */
  readonly isPreflight: boolean
}

type Needs = Pick<LineFacts, 'request' | 'policy'>

const OF_EARLIER_RULE = 'some servers read it as a path of an earlier rule'

/**
 * Finds the first matching rule for a known host and a canonical path, and checks the transport. Native gRPC is refused
 * before, so also where the rule is in shadow mode: its answers cannot be forwarded. The header and query
 * parameters that the rule reads must have only one reading. Reads no credential. A CORS preflight is checked for the
 * method it announces (Fetch standard), without these parameters.
 */
export const route = stage({
  name: 'route',
  establishes:
    'the gate serves the host; path, method, and the parameters and headers that the rule reads are unambiguous; this rule is the first that matches',
  found: ({ route, params, address, namedWorkflow }) => ({
    route: route.name,
    path: address.path,
    params: Object.fromEntries(params),
    workflow: namedWorkflow,
  }),
  denials: [deny],
  run({ request, policy }: Needs): Outcome<Routed, CodeOf<typeof deny>> {
    const { gate, router } = policy
    const reading = readAddress(request)
    if (!reading.ok) {
      const { reason: fault } = reading
      return fail(fault === 'host' ? deny('host_malformed') : deny('path_ambiguous', { fault }))
    }
    const address = reading.value
    if (!gate.hosts.has(address.host)) return fail(deny('host_unknown', { host: address.host }))
    if (!isMethod(request.method)) {
      return fail(deny('method_unknown', { method: request.method }, { allow: METHODS }))
    }
    const { headers } = request
    if (isGrpcCall(request.method, headers.get('content-type'))) {
      return fail(deny('grpc_unsupported'))
    }
    const announced = isPreflight(request) ? headers.get('access-control-request-method') : null
    if (announced !== null && !isMethod(announced)) return fail(deny('preflight_refused'))
    const method = announced ?? request.method
    const { match, ambiguous, fault, reserved } = router.find(method, address.host, address.path)
    if (address.path.includes('%2F') && !(match && slashesAreInParameters(address.path, match))) {
      return fail(deny('path_ambiguous', { fault: 'encoded slash' }))
    }
    if (!match || match.route.endpoint === 'none') return fail(deny('route_unknown'))
    if (ambiguous) return fail(deny('path_ambiguous', { fault: fault ?? OF_EARLIER_RULE }))
    const found = match.route
    const isServed = (other: string) =>
      other === method ||
      (isMethod(other) && router.find(other, address.host, address.path).match?.route === found)
    const [override, another] = new Set(methodsNamed(address.query))
    if (another !== undefined || (override !== undefined && !isServed(override))) {
      return fail(deny('method_ambiguous', { method: another ?? override }))
    }
    if (reserved) return fail(deny('route_unknown', { fault: 'reserved well-known path' }))
    const facts = {
      route: found,
      params: match.params,
      deciding: decidingParams(found, match.params),
      address,
      isPreflight: announced !== null,
    }
    if (address.scheme !== 'https' && !gate.insecureHttp && found.resource.startsWith('https:')) {
      return { ...fail(deny('insecure_transport')), value: facts }
    }
    if (announced !== null) {
      return found.cors ? ok(facts) : { ...fail(deny('preflight_refused')), value: facts }
    }
    const reads = readsOf(found)
    const named = found.workflow && workflowNamed(request, facts, found.workflow)
    const parameter =
      ambiguousHeader(headers, reads.headers) ??
      ambiguousParameter(address.query, reads.query) ??
      (named === undefined ? found.workflow?.name : undefined)
    return parameter === undefined
      ? ok(named === undefined ? facts : { ...facts, namedWorkflow: named })
      : { ...fail(deny('parameter_ambiguous', { parameter })), value: facts }
  },
})

const isMethod = (method: string): method is Method =>
  (METHODS as readonly string[]).includes(method)

const slashesAreInParameters = (path: string, { route, params }: RouteMatch): boolean => {
  if (!route.encodedSlash) return false
  const count = (text: string) => text.split('%2F').length - 1
  return [...params.values()].reduce((sum, value) => sum + count(value), 0) === count(path)
}

type Reads = Pick<Condition, 'headers' | 'query'>

/** The headers and query parameters that a rule and its MCP entries read. */
const readsOf = perObject(({ when, approval, mcp, workflow }: Route): Reads => {
  const uses = MCP_KINDS.flatMap((kind) => mcp?.names[kind].all ?? [])
  const approvals = [approval, ...uses.map((use) => use.approval)].flatMap((one) => one ?? [])
  const conditions = [
    when,
    ...uses.map((use) => use.when),
    ...approvals.map(({ unless }) => unless),
  ].flatMap((one) => one ?? [])
  const named = (kind: keyof Reads, from: WorkflowSource['from']) => [
    ...new Set([
      ...conditions.flatMap((one) => one[kind]),
      ...(workflow?.from === from ? [workflow.name] : []),
    ]),
  ]
  const bound = approvals.flatMap(({ headers = [] }) => headers)
  return { headers: [...named('headers', 'header'), ...bound], query: named('query', 'query') }
})

/** Several values, or bytes that some servers read as UTF-8 and others as Latin-1. */
const NOT_PLAIN = /[^\t\x20-\x2b\x2d-\x7e]/

/** The first of these headers that is sent twice, also under a name that servers treat as equal, or is hop-by-hop. */
const ambiguousHeader = (headers: HeaderReader, names: readonly string[]): string | undefined => {
  if (names.length === 0) return undefined
  const sent = [...headers.keys()]
  const ending = connectionOptions(headers.get('connection'))
  return names.find((name) => {
    const folded = foldedName(name)
    return (
      NOT_PLAIN.test(headers.get(name) ?? '') ||
      ending.has(folded) ||
      sent.some((other) => other !== name && foldedName(other) === folded)
    )
  })
}

/** The workflow's name in the request, from a parameter without ambiguity. */
const workflowNamed = (
  request: RequestHead,
  { params, address }: Routed,
  { from, name }: NonNullable<Route['workflow']>,
): string | undefined => {
  if (from === 'path') return decodeURIComponent(params.get(name) ?? '') || undefined
  const sent = from === 'header' ? request.headers.get(name) : queryValues(address.query, name)[0]
  return sent || undefined
}
