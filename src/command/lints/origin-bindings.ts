import { listOf, objectOf, own } from '../../gate/base/json.ts'
import type { Policy } from '../../gate/model/policy.ts'
import type { Target } from '../../gate/model/route.ts'
import { issueIf, type PolicyIssue, quote } from '../../gate/policy/reading/issues.ts'
import { type PolicyVars, rulePath } from '../../gate/policy/reading/vars.ts'
import type { WranglerEnvironment } from '../base/wrangler-file.ts'

/** An `origin_via` of a valid policy, by where it is written. */
interface Via {
  readonly path: string
  readonly name: string
  readonly table: string | undefined
  readonly target: Target
}

const viasOf = (
  { bindings }: Pick<WranglerEnvironment, 'bindings'>,
  { routes }: Policy,
  vars: PolicyVars,
): readonly Via[] => {
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

/**
 * What is wrong with the bindings of origins: client certificates for an origin without TLS, which never sees them.
 * Also likely mistakes: a certificate without use, a Worker as a network.
 */
export function originBindings(
  environment: Pick<WranglerEnvironment, 'bindings'>,
  policy: Policy,
  vars: PolicyVars,
): { readonly mistakes: readonly PolicyIssue[]; readonly warnings: readonly PolicyIssue[] } {
  const vias = viasOf(environment, policy, vars)
  const isCertificate = (table: unknown) => table === 'mtls_certificates'
  return {
    mistakes: vias.flatMap(({ path, name, table, target: { url } }) =>
      issueIf(
        isCertificate(table) && url.protocol === 'http:',
        path,
        `${quote(name)} is a client certificate, and plain http to ${quote(url.host)} never presents it; write an https origin`,
      ),
    ),
    warnings: [
      ...[...environment.bindings.fetcher].flatMap(([name, table]) =>
        issueIf(
          isCertificate(table) && !vias.some((via) => via.name === name),
          `bindings.${name}`,
          `is a client certificate that is not shown to any origin; write origin_via = "${name}" beside the origin that asks for it, or remove it`,
        ),
      ),
      ...vias.flatMap(({ path, name, table }) =>
        issueIf(
          table === 'services',
          path,
          `${quote(name)} is a Worker in [[services]], which gets the requests whatever host the origin has; write origin = "service:${name}" unless it needs that host`,
        ),
      ),
    ],
  }
}
