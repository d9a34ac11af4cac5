import type { Passed } from '../../core/guard.ts'
import { own } from '../../core/json.ts'
import { decodeJwsPart, splitJws } from '../../core/jws.ts'
import { LIMITS } from '../../core/limits.ts'
import { createTextMemo } from '../../core/memo.ts'
import type { AuditRule } from '../../core/model/audit.ts'
import { claimPathText, readClaim } from '../../core/model/claims.ts'
import type { AccessToken } from '../../core/model/token.ts'

/** The claims that the audit names, as far as the token has them. */
export function recordedClaims({ claims }: AccessToken, rule: AuditRule | undefined) {
  const found = (rule?.claims ?? []).flatMap((path) => {
    const value = readClaim(claims, path)
    const written = typeof value === 'object' ? JSON.stringify(value) : value
    const cut = typeof written === 'string' ? written.slice(0, LIMITS.claimedLength) : written
    return cut === undefined ? [] : [[claimPathText(path), cut] as const]
  })
  return found.length > 0 ? Object.fromEntries(found) : undefined
}

/** By signature: an assertion is sent again for a while. */
const assertionIds = createTextMemo<unknown>()

/** The id of the assertion that the origin got. */
export function assertionIdOf({ assertion: text }: Passed): unknown {
  if (text === undefined) return undefined
  const signature = text.slice(text.lastIndexOf('.'))
  const payload = () => decodeJwsPart(splitJws(text)?.payload ?? '') ?? {}
  return assertionIds.get(signature) ?? assertionIds.keep(signature, own(payload(), 'jti'))
}

/** A text or texts, as a list; `undefined` where a refused token has something else. */
export function textsIn(value: unknown): readonly string[] | undefined {
  const texts = [value].flat()
  return texts.every((text) => typeof text === 'string') ? texts : undefined
}

/** A claim may be a number that JSON cannot write, or of a refused token anything. */
export function timeOf(time: unknown): unknown {
  return Number.isFinite(time) ? time : undefined
}
