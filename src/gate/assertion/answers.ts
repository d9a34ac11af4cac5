import * as v from 'valibot'
import { KEY_ALGORITHMS } from '../model/assertion.ts'
import { maybe, OBJECT } from '../platform/answers.ts'

const SIGNER = v.object({
  kid: v.string(),
  algorithm: v.picklist(KEY_ALGORITHMS),
  privateJwk: maybe(OBJECT),
})

/** What the key service answers. A time may be infinite. */
export const KEPT_KEYS = v.object({
  signer: SIGNER,
  published: v.pipe(v.array(OBJECT), v.minLength(1)),
  changesAt: v.pipe(v.number(), v.minValue(0)),
})
