import { whole } from '../base/parts.ts'
import { compileCondition } from './conditions/compile.ts'
import { provideConditions } from './conditions/field.ts'
import { policyParts as parts } from './policy.ts'

export type { PolicyBundle } from './policy.ts'

/** As {@link parts}, with the compiler of conditions loaded. */
export function policyParts(...given: Parameters<typeof parts>): ReturnType<typeof parts> {
  provideConditions(compileCondition)
  return parts(...given)
}

/** Does all of {@link policyParts} at once. */
export function parsePolicy(...given: Parameters<typeof parts>) {
  return whole(policyParts(...given))
}
