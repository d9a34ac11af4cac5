import { LIMITS } from '../base/limits.ts'
import type { Facts } from '../guard/guard.ts'

/** The path for a record, with the rule's segments in place of those with a masked parameter. */
export function recordedPath({ address, route }: Partial<Facts>): string | undefined {
  const written = route?.path.split('/').map((one) => isMasked(route, /\w+/.exec(one)?.[0]) && one)
  const segments = address?.path.split('/').map((one, i) => written?.[i] || one)
  return segments?.join('/').slice(0, LIMITS.auditPathLength)
}

/** Whether a record may have the value of a path parameter. `all`: the rule tells all but those that it masks. */
export function isTold({ route, policy }: Partial<Facts>, name: string, all: unknown): boolean {
  return !isMasked(route, name) && Boolean(all || policy?.audit?.pathValues.has(name))
}

const isMasked = (route: Facts['route'] | undefined, name = '') => route?.auditMask?.includes(name)
