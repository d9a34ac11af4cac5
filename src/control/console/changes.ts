import { compareShown } from '../../compare/shown.ts'
import { type Admin, answer, ownIssuer, refuse } from '../../gate/app/context.ts'
import { isObject, own, parseJson } from '../../gate/base/json.ts'
import { decisionDenials } from '../api/decision-query.ts'
import { findDecision } from '../api/decisions.ts'

/**
 * `GET /console/changes/:id`: what a deployment changed, by the id of its act. Compares the two policies that the audit has
 * stored, key by key. The guard has checked token and scope. Refuses other records, and administrators of one issuer.
 */
export async function changesOfAct(c: Admin): Promise<Response> {
  const found = await findDecision(c)
  const [act, before, policy] = [found?.decision, found?.before, found?.policy].map((one) =>
    parseJson(one ?? 'null'),
  )
  if (!isObject(act) || own(act, 'act') !== 'policy' || ownIssuer(c) !== undefined) {
    return refuse(c, decisionDenials('decision_unknown'))
  }
  const isStored = isObject(before) && isObject(policy)
  return answer(c, isStored ? compareShown(before, policy) : { missing: true })
}
