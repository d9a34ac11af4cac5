/** What the assertion for the origin says, as far as the docs name its claims (docs/origin/verify.md). */
import { createHash } from 'node:crypto'
import type { Asked } from './asked.ts'
import { bytesOf } from './body.ts'
import type { Rule } from './rule.ts'
import type { Verified } from './verification.ts'

/** Claims of the assertion, beside times, `jti` and `route`; `undefined` if none is sent. */
export function assertionClaims(
  { policy, request, operation }: Asked,
  rule: Rule,
  { identity, possession, step }: Verified,
  target: string,
): Record<string, string> | undefined {
  const { binding } = policy.gate.assertion
  if (binding === 'off') return undefined
  const [path = '', query = ''] = splitOnce(target, '?')
  const isBound = binding !== 'identity'
  const sent = operation?.body === undefined ? request : { ...request, body: operation.body }
  return {
    iss: policy.gate.resource,
    aud: rule.origin,
    agent_iss: identity.issuer.issuer,
    possession,
    ...(identity.type !== undefined && { agent_type: identity.type }),
    ...(step !== undefined && { workflow_step: step }),
    ...(isBound && { htm: request.method, htu: originRoot(rule) + path }),
    ...(isBound && query !== '' && { htq: digestOf(Buffer.from(query)) }),
    // Of the body that the origin gets: with the server's own ids. In shadow mode the gate keeps no body.
    ...(binding === 'body' && rule.mode === 'enforce' && { bdh: digestOf(bytesOf(sent)) }),
  }
}

function splitOnce(text: string, mark: string): string[] {
  const at = text.indexOf(mark)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url')
}

/** Scheme and host of the origin; over a service binding those of `resource`. */
function originRoot(rule: Rule): string {
  return new URL(rule.origin.startsWith('service:') ? rule.resource : rule.origin).origin
}
