import type { Members } from '../../kit/signing.ts'
import { KID, type World } from '../world.ts'

/** A token that must not pass on a route that takes any good one, and the code it is denied with. */
export type TokenAttack = readonly [
  name: string,
  code: string,
  token: (world: World) => string | Promise<string>,
]

/** Seconds since the epoch. */
export const now = () => Math.floor(Date.now() / 1000)

/** A token of `acme` whose parts are exactly these; `null` leaves a header member out. */
export const signed = ({ acme }: World, header: Members, claims: Members = {}) =>
  acme.mintRaw({ typ: 'at+jwt', alg: 'ES256', kid: KID, ...header }, acme.claims(claims))

/** A good payload with text put in front of its other members. */
export const payloadWith = ({ acme }: World, members: string, claims: Members = {}) =>
  JSON.stringify(acme.claims(claims)).replace('{', `{${members},`)

/** A token of `acme` whose payload is exactly this. */
export const rawPayload = (world: World, payload: string | Uint8Array) =>
  world.acme.mintRaw({ typ: 'at+jwt', alg: 'ES256', kid: KID }, payload)

/** A token of `acme` with these claims laid over good ones. */
export const withClaims =
  (claims: Members) =>
  ({ acme }: World) =>
    acme.mint(claims)

/** The parts of a compact token. */
export const parts = async (token: Promise<string>) => (await token).split('.')

/** A good token of `acme` with another signature. */
export const tampered = async (world: World, change: (signature: string) => string) => {
  const [head, payload, signature = ''] = await parts(world.token())
  return `${head}.${payload}.${change(signature)}`
}
