import { variables } from 'edgewarden/policy'
import { SERVE_DEFAULTS } from '../../policy/reading/vars.ts'

/** The variables of an environment, with those that are built in. */
export function variablesOf(env: object): Readonly<Record<string, unknown>> {
  // `serve` passes the current rules of teams in the environment. Its bundle may have been made when there were other
  // teams.
  return { ...(!Object.hasOwn(env, SERVE_DEFAULTS) && variables), ...env }
}
