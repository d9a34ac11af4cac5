/** The algorithms that are compared. */
export const ALGORITHMS = ['ES256', 'RS256'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

/** A public key of the issuer; what else it has depends on the algorithm. */
export interface PublicKey {
  readonly kid: string
  readonly alg: Algorithm
  readonly kty: string
}
