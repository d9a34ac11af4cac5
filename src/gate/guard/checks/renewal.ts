import { denials } from '../../base/denial.ts'
import { type JsonObject, objectOf, own } from '../../base/json.ts'
import type { LineFacts } from '../../model/facts.ts'

/** Denials of a new token for a WebSocket that is open. */
export const renewalDenials = denials({
  renewal_mismatch: [
    'forbidden',
    'The new token is not of the same agent, subject, client, key and chain of actors, or has fewer scopes',
    'Send a token that differs from the one before only in its id and its times, or open another WebSocket',
  ],
  renewal_busy: [
    'tooMany',
    'Another new token for this WebSocket is being checked, or it sent more than ten in a minute',
    'Wait for the answer to the one before, and after ten tokens wait a minute',
  ],
})

/** A new token for an open WebSocket, with the DPoP proof if one was sent. Nothing in it is verified. */
export interface NewToken {
  readonly token: string
  readonly proof?: string
}

/** Decides on a new token: its facts, or the text of the refusal. */
export type Renew<Facts> = (
  sent: NewToken,
) => Promise<{ readonly facts: Facts } | { readonly refused: string }>

type Bearer = Pick<LineFacts, 'access' | 'agent' | 'route'>

/**
 * The first thing by which the holder of a new token differs from that of the token before: `undefined` if the new token
 * may take its place. Both tokens must be verified. Times, ids and further claims may differ.
 */
export function mismatchOf(before: Bearer, after: Bearer): string | undefined {
  const [old, new_] = [textsOf(before), textsOf(after)]
  const other = Object.keys(old).find((name) => old[name] !== new_[name])
  const isFewer = !before.access.scopes.every((one) => after.access.scopes.includes(one))
  return other ?? (isFewer ? 'scopes' : undefined)
}

/** What must be equal, as texts. */
const textsOf = ({ access, agent, route }: Bearer): Readonly<Record<string, unknown>> => ({
  rule: route.name,
  issuer: access.issuer,
  agent: agent.id,
  subject: access.subject,
  client: access.clientId,
  actors: JSON.stringify(agent.actors.map(({ sub, issuer }) => [issuer, sub])),
  key: keyOf(objectOf(own(access.claims, 'cnf'))),
})

/** A token's confirmation (RFC 7800), with members in one order. */
const keyOf = (confirmation: JsonObject | undefined): string =>
  JSON.stringify(confirmation ?? null, sorted)

const sorted = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value
