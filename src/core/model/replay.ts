import { sha256Name } from '../bytes.ts'

/**
 * A name for the one use of a token: SHA-256 over its issuer and `jti`, told apart by their quotes. Two
 * issuers never have one name, and none can be read from it.
 */
export function replayName(issuer: string, id: string): Promise<string> {
  return sha256Name(JSON.stringify(['token', issuer, id]))
}
