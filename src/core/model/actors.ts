import { isObject, type JsonObject, own } from '../json.ts'
import { isIdentityText } from '../text.ts'
import type { AccessToken, Actor } from './token.ts'

/**
 * The chain of `act` from the outside in (RFC 8693 §4.1); `undefined` when any part of it, at any
 * depth, is malformed. An actor without `iss` is of the token's issuer, where that issuer's entry
 * does not require one.
 */
export function actorsOf({ claims, issuer, entry }: AccessToken): readonly Actor[] | undefined {
  const actors: Actor[] = []
  let holder = claims
  while (Object.hasOwn(holder, 'act')) {
    const act = own(holder, 'act')
    if (!isObject(act)) return undefined
    const actor = readActor(act, issuer)
    if (!actor || (entry.actorIssuer && !Object.hasOwn(act, 'iss'))) return undefined
    actors.push(actor)
    holder = act
  }
  return Object.freeze(actors)
}

/**
 * Whom a token names as the one that may act for its subject (RFC 8693 §4.4): `undefined` without
 * `may_act`, `null` where that is malformed.
 */
export function mayActOf({ claims, issuer }: AccessToken): Actor | undefined | null {
  if (!Object.hasOwn(claims, 'may_act')) return undefined
  const named = own(claims, 'may_act')
  return (isObject(named) && readActor(named, issuer)) || null
}

const readActor = (named: JsonObject, issuer: string): Actor | undefined => {
  const sub = own(named, 'sub')
  const namespace = Object.hasOwn(named, 'iss') ? own(named, 'iss') : issuer
  return isIdentityText(sub) && isIdentityText(namespace)
    ? Object.freeze({ sub, issuer: namespace })
    : undefined
}
