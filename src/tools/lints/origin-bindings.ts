import { listOf, objectOf, own } from '../../core/json.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { Target } from '../../core/model/route.ts'
import { type PolicyIssue, quote } from '../../policy/issues.ts'
import { type PolicyVars, rulePath } from '../../policy/vars.ts'
import type { FetcherTable } from '../../wrangler/environments.ts'
import type { WranglerEnvironment } from '../cli/wrangler-file.ts'

type Bindings = Pick<WranglerEnvironment, 'bindings'>

/** An `origin_via` of a valid policy, by where it is written. */
interface Via {
  readonly path: string
  readonly name: string
  readonly table: FetcherTable | undefined
  readonly target: Target
}

const viasOf = ({ bindings }: Bindings, { routes }: Policy, vars: PolicyVars): readonly Via[] => {
  const found = new Map<string, Via>()
  for (const [i, { target }] of routes.entries()) {
    const { via: name } = target
    if (name === undefined) continue
    const isOwn = own(objectOf(listOf(vars.ROUTES)[i]), 'origin_via') !== undefined
    const base = isOwn ? rulePath(vars, i) : 'GATE'
    const path = `${base}.origin_via`
    found.set(path, { path, name, target, table: bindings.fetcher.get(name) })
  }
  return [...found.values()]
}

/** Client certificates for an origin without TLS, which never sees them. */
export function bindingMistakes(
  environment: Bindings,
  policy: Policy,
  vars: PolicyVars,
): readonly PolicyIssue[] {
  return viasOf(environment, policy, vars)
    .filter(({ table, target }) => table === 'mtls_certificates' && target.url.protocol === 'http:')
    .map(({ path, name, target }) => ({
      path,
      message: `${quote(name)} is a client certificate, and plain http to ${quote(target.url.host)} never presents it; write an https origin`,
    }))
}

/** Bindings that are probably a mistake: a certificate without use, a Worker as a network. */
export function bindingWarnings(
  environment: Bindings,
  policy: Policy,
  vars: PolicyVars,
): readonly PolicyIssue[] {
  const vias = viasOf(environment, policy, vars)
  const used = new Set(vias.map(({ name }) => name))
  const unused = [...environment.bindings.fetcher].filter(
    ([name, table]) => table === 'mtls_certificates' && !used.has(name),
  )
  return [
    ...unused.map(([name]) => ({
      path: `bindings.${name}`,
      message: `is a client certificate that no origin is shown; write origin_via = "${name}" beside the origin that asks for it, or take it away`,
    })),
    ...vias
      .filter(({ table }) => table === 'services')
      .map(({ path, name }) => ({
        path,
        message: `${quote(name)} is a Worker in [[services]], which gets the requests whatever host the origin has; write origin = "service:${name}" unless it needs that host`,
      })),
  ]
}
