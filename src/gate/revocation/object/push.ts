import { SignJWT } from 'jose'
import { KEPT_KEYS } from '../../assertion/answers.ts'
import { importPrivate } from '../../assertion/key-material.ts'
import type { KeptKeys } from '../../assertion/key-service.ts'
import { EVENT_KEYS_OBJECT, eventKeyRule } from '../../assertion/plan.ts'
import { type JsonObject, listOf, objectOf, own } from '../../base/json.ts'
import { fail, ok } from '../../base/result.ts'
import { fetchedWithin } from '../../base/timeout.ts'
import { eventUri, SUBJECT_KIND } from '../../events/set.ts'
import type { SigningKey } from '../../model/ports.ts'
import type { EventReceiver, SentEvent } from '../../model/transmit.ts'
import { createObjectCalls, type Objects } from '../../platform/calls.ts'
import { now } from './tables.ts'

/** Milliseconds for one attempt. */
const CALL_MS = 5_000

/** What is stored of an event. Times are seconds since the epoch. */
export interface Outgoing {
  readonly jti: string
  readonly txn: string
  readonly name: SentEvent
  readonly issuer: string
  readonly value: string
  readonly kind: string
  readonly at: number
}

type KeyObjects = Objects<{ keys(wanted: object): PromiseLike<KeptKeys> }>

/** Creates a function that gets the key for events of a gate (GATE of its policy). It rejects if there is none. */
export function createEventKey(env: object, gate: JsonObject): () => Promise<SigningKey> {
  const { ASSERTION_KEY_SERVICE: objects } = env as { readonly ASSERTION_KEY_SERVICE?: KeyObjects }
  const ask = createObjectCalls({
    ...{ binding: 'ASSERTION_KEY_SERVICE', objects, jurisdiction: undefined },
    ...{ answers: { keys: KEPT_KEYS }, timeout: CALL_MS },
  })
  return async () => {
    const rule = eventKeyRule(withdrawnIn(gate))
    const { signer } = await ask(EVENT_KEYS_OBJECT, (service) => service.keys(rule))
    if (!signer.privateJwk) throw new Error('there is no key to sign with')
    return { ...signer, key: await importPrivate(signer.privateJwk, signer.algorithm) }
  }
}

const withdrawnIn = (gate: JsonObject): readonly string[] =>
  listOf(own(objectOf(own(gate, 'assertion')), 'withdrawn')).filter(
    (one) => typeof one === 'string',
  )

/**
 * Sends an event once, as a SET of SSF 1.0. Any status 2xx is success; no redirect is followed. An error consists of fixed
 * words. Never rejects.
 */
export async function push(
  { endpoint, audience, authorization = '' }: EventReceiver,
  { jti, txn, name, kind, issuer, value, at }: Outgoing,
  gate: string,
  key: () => Promise<SigningKey>,
): Promise<string | undefined> {
  const about = {
    ...(name === 'session-revoked' && { event_timestamp: at }),
    ...(kind === 'agent' && { [SUBJECT_KIND]: kind }),
  }
  const sent = await fetchedWithin(CALL_MS, async (signal) => {
    const signing = await key().catch(() => undefined)
    if (!signing) return fail('no key to sign with')
    const body = await new SignJWT({
      ...{ iss: gate, aud: audience, iat: now(), jti, txn, toe: at },
      sub_id: { format: 'iss_sub', iss: issuer, sub: value },
      events: { [eventUri(name)]: about },
    })
      .setProtectedHeader({ typ: 'secevent+jwt', alg: signing.algorithm, kid: signing.kid })
      .sign(signing.key)
    const headers = {
      authorization,
      'content-type': 'application/secevent+jwt',
      accept: 'application/json',
    }
    const response = await fetch(endpoint, {
      method: 'POST',
      redirect: 'manual',
      headers,
      body,
      signal,
    })
    await response.body?.cancel()
    return response.ok ? ok(undefined) : fail(`status ${response.status}`)
  })
  return sent.ok ? undefined : sent.reason
}
