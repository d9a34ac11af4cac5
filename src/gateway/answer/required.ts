import type { Denial } from '../../core/denial.ts'

/** The scopes a denial says are needed, all of them or one, as answers, lines and explanations name them. */
export function requiredBy({ params }: Denial): {
  readonly required_scopes?: readonly string[]
  readonly any_of?: readonly string[]
} {
  return {
    ...(params?.requiredScopes && { required_scopes: params.requiredScopes }),
    ...(params?.anyOf && { any_of: params.anyOf }),
  }
}
