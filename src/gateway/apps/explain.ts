import type { Context } from 'hono'
import { utf8Decode } from '../../core/bytes.ts'
import { denials } from '../../core/denial.ts'
import { createGuard, type Decision } from '../../core/guard.ts'
import { parseJsonObject } from '../../core/json.ts'
import { isWithin } from '../../policy/rows.ts'
import { explain, restricted } from '../answer/explain.ts'
import { readAdminBody } from './body.ts'
import { type GateEnv, isReached, ownIssuer } from './context.ts'
import { claimedBy, decodeExplanation } from './explain-request.ts'
import type { Problem } from './revocation-request.ts'

const deny = denials({
  explain_invalid: [
    'badRequest',
    'The request does not describe what to explain',
    'Correct what `problems` names',
  ],
})

/** The denials of the explain endpoint. */
export const explainDenials = deny

/** By denial code: a limit of explanations. */
const NOTES = {
  key_unknown:
    'An explanation asks no issuer: for a request the gate may, and find a key that was added since',
  keys_unavailable:
    'An explanation asks no issuer: this part of the gate has no keys of it yet, or they are too old',
}

/**
 * `POST /explain`: explains how the gate would decide a request now, on ports without side effects.
 * Shows only stages and code of encrypted tokens, and of tokens and rules outside the caller's
 * issuers. The guard before it checks token and scope.
 */
export async function explainRequest(c: Context<GateEnv>): Promise<Response> {
  const body = await readAdminBody(c)
  if (!body.ok) return c.get('deny')(body.reason)
  const json = parseJsonObject(utf8Decode(body.value) ?? '')
  if (!json) return invalid(c, [{ path: '', message: 'must be one JSON object in UTF-8' }])
  const wanted = decodeExplanation(json)
  if (!wanted.ok) return invalid(c, wanted.reason)
  const { request, token, around, asked } = wanted.value
  const guard = createGuard(c.get('policy'), c.get('ports').explaining)
  const { explanation, decision } = await explain(guard, request, { notes: NOTES, around, asked })
  const sent = token ?? decision.known.credential?.token
  const isShown = isTokenReached(c, sent) && isRuleReached(c, decision)
  return c.json(isShown ? explanation : restricted(explanation), 200, {
    'Cache-Control': 'no-store',
  })
}

const isTokenReached = (c: Context<GateEnv>, token: string | undefined): boolean => {
  if (token === undefined) return true
  const { issuer, encrypted } = claimedBy(token)
  return !encrypted && isReached(c, issuer)
}

const isRuleReached = (c: Context<GateEnv>, { known: { route } }: Decision): boolean => {
  const own = ownIssuer(c)
  return own === undefined || route === undefined || isWithin(route, own)
}

const invalid = (c: Context<GateEnv>, problems: readonly Problem[]): Response =>
  c.get('deny')(deny('explain_invalid'), { problems })
