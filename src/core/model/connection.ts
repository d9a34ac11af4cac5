/**
 * What the platform knows of how a request came, of its own knowledge: never from a header, which a
 * caller can write. What is not known is not there.
 */
export interface Connection {
  /** ISO 3166-1 alpha-2, or what the platform says where there is none. */
  readonly country?: string | undefined
  /** Number of the autonomous system. */
  readonly asn?: number | undefined
  /** Data centre. */
  readonly colo?: string | undefined
  /** Version of TLS, as the platform names it. */
  readonly tls?: string | undefined
  /** 1 (surely a bot) to 99. */
  readonly botScore?: number | undefined
}
