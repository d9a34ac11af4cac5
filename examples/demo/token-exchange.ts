import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import { type Context, errors, type Provider, type ResourceServer } from 'oidc-provider'

/** The grant type of RFC 8693 §2.1. */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** The only type of token that is taken and given (RFC 8693 §3). */
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

const PARAMETERS = [
  'actor_token',
  'actor_token_type',
  'requested_token_type',
  'resource',
  'scope',
  'subject_token',
  'subject_token_type',
]

/** What is not the provider's own to put into a token that was exchanged. */
type Claims = Readonly<Record<string, unknown>>

interface Exchange {
  readonly resource: string
  /** Public keys of the server itself: it exchanges no tokens but its own. */
  readonly keys: JSONWebKeySet
  readonly resourceServer: (scope: string) => ResourceServer
  /** Claims that the token has because of the agent that will act. */
  readonly claimsOf: (clientId: string) => Claims
}

/**
 * Adds token exchange (RFC 8693) to a provider that has none: who holds a token of its own may have a
 * narrower one made for another agent, whose token it presents as `actor_token`. The new token keeps the
 * subject and the workflow, says who acts (`act`), has no scope that the first did not have, and lives
 * no longer. Gives the claims that each such token is to have, by the request that asked for it.
 */
export const addTokenExchange = (
  provider: Provider,
  { resource, keys, resourceServer, claimsOf }: Exchange,
): ((context: Context) => Claims | undefined) => {
  const claims = new WeakMap<Context, Claims>()
  const keySet = createLocalJWKSet(keys)

  const ownToken = async (context: Context, name: 'subject_token' | 'actor_token') => {
    const token = context.oidc.params[name]
    if (context.oidc.params[`${name}_type`] !== ACCESS_TOKEN || typeof token !== 'string') {
      throw new errors.InvalidRequest(`${name} must be an access token of this server`)
    }
    const rules = { issuer: provider.issuer, audience: resource, typ: 'at+jwt' }
    const verified = await jwtVerify(token, keySet, rules).catch(() => undefined)
    if (!verified) throw new errors.InvalidRequest(`${name} is not valid`)
    return verified.payload
  }

  const handler = async (context: Context): Promise<void> => {
    const { client, params } = context.oidc
    const subject = await ownToken(context, 'subject_token')
    const actor = await ownToken(context, 'actor_token')
    if (holderOf(subject) !== client.clientId) {
      throw new errors.InvalidRequest('the subject_token belongs to another client')
    }
    if ((params.resource ?? resource) !== resource) throw new errors.InvalidTarget()
    const scope = narrowed(String(params.scope ?? ''), subject)
    claims.set(context, {
      ...claimsOf(String(actor.client_id)),
      ...(subject.workflow_id !== undefined && { workflow_id: subject.workflow_id }),
      act: { sub: actor.client_id, ...(subject.act !== undefined && { act: subject.act }) },
    })
    const token = new provider.AccessToken({
      client,
      accountId: String(subject.sub),
      scope,
      gty: 'token_exchange',
    })
    token.resourceServer = resourceServer(scope)
    token.expiresIn = Math.max(1, Number(subject.exp) - Math.floor(Date.now() / 1000))
    context.body = {
      access_token: await token.save(),
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: token.expiration,
      scope,
    }
  }

  provider.registerGrantType(TOKEN_EXCHANGE, handler, PARAMETERS)
  return (context) => claims.get(context)
}

/** Who may use a token: the agent that acts, where it says so, else the client it was issued to. */
const holderOf = ({ act, client_id }: JWTPayload): unknown =>
  (act as { readonly sub?: unknown } | undefined)?.sub ?? client_id

const narrowed = (requested: string, { scope: held }: JWTPayload): string => {
  const scopes = new Set(String(held ?? '').split(' '))
  const wider = requested.split(' ').find((one) => !scopes.has(one))
  if (wider !== undefined) {
    throw new errors.InvalidScope('an exchanged token has scopes of its subject_token only', wider)
  }
  return requested
}
