/** Bodies that the gate keeps in memory, and their digest (docs/configuration/assertion.md). */
import { createHash } from 'node:crypto'
import { headerOf } from './credential.ts'
import type { Policy } from './policy.ts'
import type { Rule } from './rule.ts'
import { type Request, refuse } from './types.ts'

/** The bytes of a body. */
export function bytesOf(request: Request): Uint8Array {
  const { body } = request
  if (body === undefined) return new Uint8Array()
  return typeof body === 'string' ? Buffer.from(body, 'utf8') : body
}

/** Whether the gate needs the whole body before it forwards the request. In shadow mode it keeps none. */
export function holdsBody(policy: Policy, rule: Rule): boolean {
  if (rule.mcp !== undefined || rule.approval !== undefined) return true
  return policy.gate.assertion.binding === 'body' && rule.mode === 'enforce'
}

/** The size of a body that the gate holds, and its digest. `mcp.ts` checks the size of messages. */
export function checkBody(policy: Policy, rule: Rule, request: Request): void {
  if (!holdsBody(policy, rule)) return
  const bytes = bytesOf(request)
  if (rule.mcp === undefined && bytes.length > policy.gate.assertion.maxBody)
    refuse('body_too_large')
  const header = headerOf(request, 'content-digest')
  if (header !== undefined && !isDigestOf(header, bytes)) refuse('digest_mismatch')
}

/** A member of a dictionary whose value is bytes, with parameters (RFC 8941, RFC 9530). */
const MEMBER = /^([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):((?:;[^,"]*|;[^,"]*"[^"]*")*)$/

/** Whether every digest with SHA-256 or SHA-512 is that of the body. Other algorithms are ignored. */
function isDigestOf(header: string, bytes: Uint8Array): boolean {
  const seen = new Set<string>()
  return header.split(',').every((text) => {
    const [, name, digest] = MEMBER.exec(text.trim()) ?? []
    if (name === undefined || digest === undefined || seen.has(name)) return false
    seen.add(name)
    if (name !== 'sha-256' && name !== 'sha-512') return true
    return createHash(name.replace('-', '')).update(bytes).digest('base64') === digest
  })
}
