import { base64url } from 'jose'
import { utf8Encode } from '../base/bytes.ts'
import { isObject, type JsonObject, objectOf, own, ownText } from '../base/json.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { Transmitter } from '../model/issuer.ts'

/** The secret that the gate and a transmitter share; `undefined` where the policy was read without secrets. */
export function sharedSecret({ push, poll }: Transmitter): string | undefined {
  return (push ?? poll)?.authorization
}

/**
 * The `state` with which a verification event of a stream is asked for (SSF 1.0 §8.1.4): the nonce, and its HMAC with
 * the secret that is shared with the transmitter. So the gate knows its state again and stores none.
 */
export async function verificationState(
  secret: string,
  stream: { readonly transmitter: string; readonly id: string },
  nonce: string,
): Promise<string> {
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', utf8Encode(secret), hmac, false, ['sign'])
  const text = JSON.stringify(['edgewarden verification', stream.transmitter, stream.id, nonce])
  const mac = await crypto.subtle.sign('HMAC', key, utf8Encode(text))
  return `${nonce}.${base64url.encode(new Uint8Array(mac))}`
}

/**
 * The `state` of a verification event, if it has one. It fails for a state that the gate has not made for this stream:
 * the event's `sub_id`, of format `opaque`. Does not check the rest of the event.
 */
export async function stateOf(
  by: Transmitter,
  claims: JsonObject,
  uri: string,
): Promise<Result<string | undefined, 'wrong'>> {
  const event = objectOf(own(objectOf(own(claims, 'events')), uri))
  if (own(event, 'state') === undefined) return ok(undefined)
  const subject = own(claims, 'sub_id')
  const [state, secret] = [ownText(event, 'state'), sharedSecret(by)]
  const id = isObject(subject) && own(subject, 'format') === 'opaque' && ownText(subject, 'id')
  if (state === undefined || secret === undefined || typeof id !== 'string') {
    return fail('wrong')
  }
  const [nonce = ''] = state.split('.', 1)
  const wanted = await verificationState(secret, { transmitter: by.source.issuer, id }, nonce)
  return state === wanted ? ok(state) : fail('wrong')
}
