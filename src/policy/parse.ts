import { compileCondition } from './conditions/compile.ts'
import { provideConditions } from './conditions/field.ts'
import { parsePolicy as parse } from './policy.ts'

export type { PolicyBundle } from './policy.ts'

/** As {@link parse}, with the compiler of conditions loaded. */
export function parsePolicy(...given: Parameters<typeof parse>): ReturnType<typeof parse> {
  provideConditions(compileCondition)
  return parse(...given)
}
