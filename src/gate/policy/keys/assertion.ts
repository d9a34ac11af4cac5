import type { JWK } from 'jose'
import { maxLength, pipe } from 'valibot'
import { base64UrlDecode } from '../../base/bytes.ts'
import { isObject, own } from '../../base/json.ts'
import { LIMITS } from '../../base/limits.ts'
import { fail, ok } from '../../base/result.ts'
import {
  ASSERTION_ALGORITHMS,
  type AssertionAlgorithm,
  type AssertionRule,
  type OperatorKey,
} from '../../model/assertion.ts'
import type { PolicyEnv } from '../reading/env.ts'
import { text, whole, word } from '../reading/fields.ts'
import { quote, type Report } from '../reading/issues.ts'
import { membersOf, readPrivateSet } from '../reading/private-keys.ts'
import {
  anyOf,
  type ComparedDocs,
  field,
  list,
  type Readable,
  readTable,
  table,
} from '../reading/table.ts'
import { showing } from './show-parts.ts'

export const ASSERTION_SECRET = 'ASSERTION_KEYS'

const BINDINGS = ['off', 'identity', 'request', 'body'] as const

const thumbprint = text((value) =>
  base64UrlDecode(value)?.length === 32
    ? ok(value)
    : fail('must be the kid of a key in jwks.json, 43 characters of base64url (RFC 7638)'),
)

export const ASSERTION_KEYS = {
  binding: word(BINDINGS),
  algorithm: word(ASSERTION_ALGORITHMS),
  max_body: showing<AssertionRule>()(
    whole(1, LIMITS.heldBodyBytesMost, 'number of bytes'),
    ({ maxBody }) => maxBody,
  ),
  withdrawn: pipe(
    list(thumbprint, { empty: true }),
    maxLength(LIMITS.assertionKeys, `must be a list of at most ${LIMITS.assertionKeys}`),
  ),
}

export const ASSERTION_DOCS: ComparedDocs<typeof ASSERTION_KEYS> = {
  binding: {
    description:
      'What an assertion is bound to: `"off"`, `"identity"`, `"request"` or `"body"`, as [below](configuration/assertion.md#what-an-assertion-is-bound-to). `assertion = "request"` is short for `{ binding = "request" }`.',
    default: 'identity',
    example: 'request',
    compare: ['body', 'request', 'identity', 'off'],
  },
  algorithm: {
    description:
      'Algorithm of the keys that the gate generates: `"ES256"` or `"EdDSA"`. With keys of your own, generated keys use the algorithm of your first key instead.',
    default: 'ES256',
    example: 'EdDSA',
    compare: 'neutralWhereBoth',
  },
  max_body: {
    description:
      'With `"body"`: the most bytes a request body may have, up to 4194304. A larger body is 413 `body_too_large`; a body that takes longer than 10 seconds is 408 `body_timeout`.',
    default: 1048576,
    example: 65536,
    compare: 'neutralWhereBoth',
  },
  withdrawn: {
    description:
      'Keys that have [leaked](origin/verify.md#when-a-key-has-leaked): each `kid` as in `PREFIX/jwks.json`, at most 16. From this deployment on they neither sign nor are published.',
    default: [],
    example: ['NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'],
    compare: 'requires',
  },
}

type Entry = Readable<typeof ASSERTION_KEYS>

/** The field `GATE.assertion`: a word, or a table. */
export const assertionField = field(
  (value, report): Entry => {
    const known = BINDINGS.find((one) => one === value)
    if (known) return { binding: known }
    if (isObject(value)) return readTable(ASSERTION_KEYS, value, report)
    report([], `must be one of ${BINDINGS.map(quote).join(', ')}, or a table`)
    return {}
  },
  anyOf(ASSERTION_KEYS.binding, table(ASSERTION_KEYS)),
)

/**
 * Reads the settings and keys for assertions. Faults of the secret are reported by the key's position, never with its
 * content. Whether the members of a key match is checked only on import.
 */
export function assertionOf(
  { binding = 'identity', algorithm, max_body, withdrawn = [] }: Entry = {},
  env: PolicyEnv,
  report: Report,
): AssertionRule | undefined {
  if (binding === 'off') return undefined
  const value = env.secret(ASSERTION_SECRET)
  const operatorKeys = value === undefined ? [] : readKeys(value, report)
  // The secret is required only where no key service generates keys.
  if (!env.has('durable_object', 'ASSERTION_KEY_SERVICE') && !env.has('secret', ASSERTION_SECRET)) {
    report(
      [],
      'needs keys to sign with: bind the Durable Object namespace of AssertionKeyService as ASSERTION_KEY_SERVICE, set the secret ASSERTION_KEYS, or write assertion = "off"',
    )
  }
  return Object.freeze({
    binding,
    algorithm: operatorKeys[0]?.algorithm ?? algorithm ?? 'ES256',
    maxBody: max_body ?? LIMITS.heldBodyBytes,
    operatorKeys: Object.freeze(operatorKeys),
    withdrawn: Object.freeze([...withdrawn]),
  })
}

const SHAPES: Readonly<
  Record<string, { algorithm: AssertionAlgorithm; members: readonly string[] }>
> = {
  'EC P-256': { algorithm: 'ES256', members: ['x', 'y', 'd'] },
  'OKP Ed25519': { algorithm: 'EdDSA', members: ['x', 'd'] },
}

const readKeys = (value: string, report: Report): readonly OperatorKey[] => {
  const set = { value, name: ASSERTION_SECRET, most: LIMITS.assertionKeys }
  const seen = new Set<unknown>()
  const read = (entry: unknown, place: number) => {
    const key = readKey(entry)
    if (!key) return `must be a private JWK for signing, of ${Object.keys(SHAPES).join(' or ')}`
    const { x } = key.privateJwk
    if (seen.has(x)) return 'is there twice'
    seen.add(x)
    return Object.freeze({ place, ...key })
  }
  return readPrivateSet(set, read, report)
}

const readKey = (jwk: unknown): Omit<OperatorKey, 'place'> | undefined => {
  if (!isObject(jwk)) return undefined
  const [kty, crv, use] = ['kty', 'crv', 'use'].map((name) => own(jwk, name))
  const shape = Object.hasOwn(SHAPES, `${kty} ${crv}`) ? SHAPES[`${kty} ${crv}`] : undefined
  const members = shape && membersOf(jwk, { ...shape, bytes: 32 })
  if (!members || (use !== undefined && use !== 'sig')) return undefined
  return { algorithm: shape.algorithm, privateJwk: Object.freeze({ kty, crv, ...members }) as JWK }
}
