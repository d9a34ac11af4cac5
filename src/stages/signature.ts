import { type CryptoKey, compactVerify, errors } from 'jose'
import { utf8Decode } from '../base/bytes.ts'
import { type Outcome, stage } from '../base/chain.ts'
import { type CodeOf, denials } from '../base/denial.ts'
import { parseJsonObject } from '../base/json.ts'
import { fail, ok } from '../base/result.ts'
import type { Issuer } from '../model/issuer.ts'
import type { KeySource } from '../model/ports.ts'
import type { Credential, VerifiedToken } from '../model/token.ts'

const deny = denials({
  key_unknown: [
    'invalidToken',
    'The issuer has no key that fits this token',
    'Get a new token; if the issuer has just changed its keys, try again in half a minute',
  ],
  keys_unavailable: [
    'unavailable',
    "The issuer's keys cannot be had at the moment",
    'Keep the token and try again after Retry-After',
  ],
  signature_invalid: [
    'invalidToken',
    "The token's signature is not its issuer's",
    'Get a new token and send it unchanged',
  ],
})

interface Needs {
  readonly issuer: Issuer
  readonly credential: Credential
}

/**
 * The token was signed by its issuer: one key of that issuer's set, one algorithm, verified by
 * jose (RFC 7515 §5.2). The only maker of a {@link VerifiedToken}. Judges no claim.
 */
export const signature = stage({
  name: 'signature',
  establishes: "the token's signature was verified with a key of its issuer",
  denials: [deny],
  async run(
    { issuer, credential }: Needs,
    { keys }: { readonly keys: KeySource },
  ): Promise<Outcome<{ token: VerifiedToken }, CodeOf<typeof deny>>> {
    const found = await keys.find(issuer, credential)
    if (!found.ok) {
      return fail(deny(found.reason === 'unknown' ? 'key_unknown' : 'keys_unavailable'))
    }
    const { key, kid } = found.value
    const claims = await verifiedClaims(credential, key)
    if (!claims) return fail(deny('signature_invalid'))
    const token = { token: credential.token, claims, ...(kid !== undefined && { kid }) }
    return ok({ token: token as VerifiedToken })
  },
})

const verifiedClaims = async ({ token, algorithm }: Credential, key: CryptoKey) => {
  const algorithms = algorithm === 'Ed25519' ? ['Ed25519', 'EdDSA'] : [algorithm]
  try {
    const { payload } = await compactVerify(token, key, { algorithms })
    return parseJsonObject(utf8Decode(payload) ?? '')
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}
