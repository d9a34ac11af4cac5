import { compactDecrypt } from 'jose'
import { utf8Decode } from '../../base/bytes.ts'
import type { Detail } from '../../base/chain.ts'
import { own } from '../../base/json.ts'
import { FORBIDDEN_PARAMETERS, isKid, jweHeader, mediaType } from '../../base/jws.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { Decryption, Issuer } from '../../model/issuer.ts'
import type { Policy } from '../../model/policy.ts'
import { type Route, takesIssuer } from '../../model/route.ts'
import type { Opened } from '../../model/token.ts'

/** An issuer that may encrypt its tokens. */
export interface Opener extends Issuer {
  readonly decrypt: Decryption
}

/** Why a token was not decrypted. Faults that could reveal something about a key are all `decryption_failed`. */
export type Unopened = readonly [
  code:
    | 'token_malformed'
    | 'header_forbidden'
    | 'encryption_not_accepted'
    | 'decryption_failed'
    | 'decryption_unavailable',
  detail?: Detail,
]

/** The forbidden JWS parameters, compression (RFC 8725 §3.6), and password parameters (RFC 7518 §4.8.1). */
const FORBIDDEN = [...FORBIDDEN_PARAMETERS, 'zip', 'p2c', 'p2s'] as const

const opens = (issuer: Issuer): issuer is Opener => issuer.decrypt !== undefined

/** The issuers whose encrypted tokens a rule accepts. */
export function openersOf({ issuers }: Pick<Policy, 'issuers'>, route: Route): readonly Opener[] {
  return [...issuers.values()].filter(opens).filter(({ issuer }) => takesIssuer(route, issuer))
}

/** Whether a decrypted token could still be decrypted, on this rule and by the same issuer's entry. */
export function isStillOpened(
  { by }: Opened,
  { issuers }: Pick<Policy, 'issuers'>,
  route: Route,
): boolean {
  return issuers.get(by.issuer) === by && takesIssuer(route, by.issuer)
}

/**
 * Decrypts a compact JWE (RFC 7516 §5.2) whose `cty` is JWT (RFC 7519 §5.2). The key is the one that `kid` names
 * or, without `kid`, the only one that matches. Does not check the content: everyone with the public key can write
 * it. Does not read claims that are repeated in the header (RFC 7519 §5.3).
 */
export async function openToken(
  token: string,
  openers: readonly Opener[],
): Promise<Result<Opened, Unopened>> {
  const header = jweHeader(token)
  if (!header) return fail(['token_malformed'])
  const forbidden = FORBIDDEN.find((name) => Object.hasOwn(header, name))
  if (forbidden) return fail(['header_forbidden', { parameter: forbidden }])
  const kid = own(header, 'kid')
  if (kid !== undefined && !isKid(kid)) return fail(['token_malformed', { member: 'kid' }])
  const cty = own(header, 'cty')
  if (typeof cty !== 'string' || mediaType(cty) !== 'jwt') return refused('cty')
  const [alg, enc] = [own(header, 'alg'), own(header, 'enc')]
  const byAlgorithm = openers.filter(({ decrypt }) => includes(decrypt.keyManagement, alg))
  const accepting = byAlgorithm.filter(({ decrypt }) => includes(decrypt.contentEncryption, enc))
  if (accepting.length === 0) return refused(byAlgorithm.length === 0 ? 'alg' : 'enc')
  const unread = accepting.find(({ decrypt }) => !decrypt.keys)
  if (unread) return fail(['decryption_unavailable', { secret: unread.decrypt.secret }])
  const [only, ...others] = accepting.flatMap((by) =>
    (by.decrypt.keys ?? [])
      .filter((key) => includes(key.algorithms, alg) && (kid === undefined || key.kid === kid))
      .map((key) => ({ by, key })),
  )
  if (!only || others.length > 0) return fail(['decryption_failed'])
  const key = await only.key.load()
  if (!key) return fail(['decryption_unavailable', { secret: only.by.decrypt.secret }])
  // The kind of failure may reveal something about the key, so it is not logged.
  const opened = await compactDecrypt(token, key, {
    keyManagementAlgorithms: [String(alg)],
    contentEncryptionAlgorithms: [String(enc)],
    maxDecompressedLength: 0,
  }).catch(() => undefined)
  if (!opened) return fail(['decryption_failed'])
  const signed = utf8Decode(opened.plaintext)
  return signed === undefined ? fail(['token_malformed']) : ok({ by: only.by, signed })
}

const includes = (accepted: readonly string[], value: unknown): boolean =>
  accepted.some((one) => one === value)

const refused = (member: string) => fail(['encryption_not_accepted', { member }] as const)
