import { explain, restricted } from '../answer/explain.ts'
import { denials } from '../base/denial.ts'
import { createGuard, type Decision } from '../guard/guard.ts'
import { isWithin } from '../policy/reading/rows.ts'
import { type Admin, answer, isReached, ownIssuer, refuse } from './context.ts'
import { claimedBy, decodeExplanation } from './explain-request.ts'
import { readAdminJson } from './request.ts'

export const explainDenials = denials({
  explain_invalid: [
    'badRequest',
    'The request does not describe what to explain',
    'Correct what `problems` names',
  ],
})

/** By denial code: a limit of explanations. */
const NOTES = {
  approval_required:
    'An explanation asks nobody, and looks for no approval that was given: a request with one is forwarded once',
  key_unknown:
    'An explanation asks no issuer for keys; a request does, and may find a key that was added since',
  keys_unavailable:
    'An explanation asks no issuer for keys, and the gate has no keys of this issuer here yet, or they are too old',
}

/**
 * `POST /explain`: explains how the gate would decide a request now, on ports without side effects. Shows only
 * stages and code of encrypted tokens, and of tokens and rules outside the caller's issuers. The guard has checked
 * token and scope.
 */
export async function explainRequest(c: Admin): Promise<Response> {
  const invalid = explainDenials('explain_invalid')
  const wanted = decodeExplanation(await readAdminJson(c, invalid))
  if (!wanted.ok) return refuse(c, invalid, { problems: wanted.reason })
  const { request, token, around, asked } = wanted.value
  const guard = createGuard(c.get('policy'), c.get('ports').explaining)
  const { explanation, decision } = await explain(guard, request, { notes: NOTES, around, asked })
  const sent = token ?? decision.known.credential?.token
  const isShown = isTokenReached(c, sent) && isRuleReached(c, decision)
  return answer(c, isShown ? explanation : restricted(explanation))
}

const isTokenReached = (c: Admin, token: string | undefined): boolean => {
  if (token === undefined) return true
  const { issuer, encrypted } = claimedBy(token)
  return !encrypted && isReached(c, issuer)
}

const isRuleReached = (c: Admin, { known: { route } }: Decision): boolean => {
  const own = ownIssuer(c)
  return own === undefined || route === undefined || isWithin(route, own)
}
