import { isObject, listOf, own, ownText } from '../../gate/base/json.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { distance, type PolicyIssue, pathText, quote } from '../../gate/policy/reading/issues.ts'
import type { PolicyVars } from '../../gate/policy/reading/vars.ts'
import { guessProfile } from '../doctor/profile.ts'

/** Claims of platforms that give none of the operator's own, as their documentation lists them. */
const CLAIMS: Readonly<Record<string, string>> = {
  'github-actions':
    'iss sub aud exp nbf iat jti ref ref_type ref_protected base_ref head_ref sha actor actor_id repository repository_id repository_owner repository_owner_id repository_visibility enterprise enterprise_id environment environment_node_id event_name workflow workflow_ref workflow_sha job_workflow_ref job_workflow_sha run_id run_number run_attempt runner_environment check_run_id',
  gitlab:
    'iss sub aud exp nbf iat jti namespace_id namespace_path project_id project_path project_visibility user_id user_login user_email user_identities user_access_level pipeline_id pipeline_source job_id job_source job_project_id job_project_path job_namespace_id job_namespace_path ref ref_type ref_path ref_protected environment environment_protected environment_action deployment_tier deployment_action runner_id runner_environment sha ci_config_ref_uri ci_config_sha groups_direct',
}

/**
 * Claims of issuers and grants that no token of the issuer's platform has, and whose name is nearly that of one. Does not
 * look at platforms whose tokens may have claims of the operator's own.
 */
export function claimSlips({ issuers }: Policy, vars: PolicyVars): readonly PolicyIssue[] {
  const written = [
    ...Object.entries(vars.ISSUERS ?? {}).map(([name, table]) => ({
      name,
      table,
      path: pathText('ISSUERS', [name]),
    })),
    ...listOf(vars.GRANTS).map((table, i) => ({
      name: isObject(table) ? ownText(table, 'issuer') : undefined,
      table,
      path: vars.grantPaths?.[i] ?? `GRANTS[${i}]`,
    })),
  ]
  const platformOf = (name: string | undefined) => {
    const found = [...issuers.values()].find((issuer) => issuer.name === name)
    return found && (guessProfile(found.issuer).profile ?? found.profile)
  }
  return written.flatMap(({ name, table, path }) => {
    const known = (CLAIMS[platformOf(name) ?? ''] ?? '').split(' ')
    const claims = isObject(table) ? own(table, 'claims') : undefined
    const names = known.length > 1 && isObject(claims) ? Object.keys(claims) : []
    return names.flatMap((claim) => {
      const meant = known.find((one) => one !== claim && distance(one, claim, 2) !== undefined)
      if (known.includes(claim) || meant === undefined) return []
      const message = `${quote(claim)} is no claim of these tokens, so none has it; did you mean ${quote(meant)}?`
      return [{ path: pathText(path, ['claims', claim]), message }]
    })
  })
}
