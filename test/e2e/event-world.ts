import { inject } from 'vitest'
import { createIssuer } from '../kit/issuer.ts'
import { type Members, sign } from '../kit/signing.ts'
import { administration, type Name } from './administration.ts'
import { RESOURCE, SECRET, startWorld } from './world.ts'

const EVENTS = '/.edgewarden/events'
const AUTHORIZATION = 'Bearer 7f1d2c9ab34e4a0f8e'
/** The Authorization header of a transmitter that speaks of subjects of two issuers. */
export const OF_BOTH = 'Bearer of-a-transmitter-of-two'
const SCHEMAS = 'https://schemas.openid.net/secevent/'
export const RISC = `${SCHEMAS}risc/event-type/`
export const CAEP = `${SCHEMAS}caep/event-type/`
export const SSF = `${SCHEMAS}ssf/event-type/`

export const now = () => Math.floor(Date.now() / 1000)

/** A gate with a transmitter for issuer acme, whose table `of` completes, and one for acme and beta. */
export const startEvents = async (iss: string, of: object = {}) => {
  const idp = await createIssuer({ kid: 'idp', alg: 'RS256' })
  const sent = { issuer: iss, audience: RESOURCE, authorization: 'IDP', jwks_uri: idp.jwksUri }
  const both = { ...sent, issuer: 'https://both.example', authorization: 'BOTH' }
  const world = await startWorld({
    issuers: { acme: { events: [{ ...sent, ...of }, both] }, beta: { events: [both] } },
    start: {
      bundle: inject('bundle'),
      secrets: { ORIGIN_KEY: SECRET, IDP: AUTHORIZATION, BOTH: OF_BOTH },
    },
  })
  let sets = 0
  const post = (body: string, authorization = AUTHORIZATION, type = 'application/secevent+jwt') =>
    world.send({
      method: 'POST',
      target: EVENTS,
      headers: [
        ['Content-Type', type],
        ['Authorization', authorization],
      ],
      body,
    })
  const setOf = (claims: Members, header: Members = {}) =>
    sign({ typ: 'secevent+jwt', kid: 'idp', ...header }, claims, idp.key)
  const { issuerOf, list, call } = administration(() => world)
  return {
    ...{ world, idp, post, setOf, list, call, issuerOf },
    about: (sub: string, name: Name = 'acme') => ({
      ...{ format: 'iss_sub', iss: issuerOf(name).issuer, sub },
    }),
    /** Sends one event about acme's alice, unless the claims say otherwise. */
    tell: async (
      uri: string,
      event: Members = {},
      claims: Members = {},
      authorization = AUTHORIZATION,
    ) =>
      post(
        await setOf({
          ...{ iss, aud: RESOURCE, jti: `set-${++sets}`, iat: now(), txn: 'cause-1' },
          sub_id: { format: 'iss_sub', iss: issuerOf('acme').issuer, sub: 'alice' },
          events: { [uri]: event },
          ...claims,
        }),
        authorization,
      ),
    ask: async (claims: Members, name: Name = 'acme') =>
      world.send({ token: await issuerOf(name).mint({ sub: 'alice', ...claims }) }),
    async liftAll() {
      for (const reach of ['own', 'all']) {
        await call('ops', { method: 'DELETE', target: `/.edgewarden/revocations?reach=${reach}` })
      }
    },
    async close() {
      await world.close()
      await idp.close()
    },
  }
}
