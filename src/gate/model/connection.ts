/** What the platform says of a connection. Never read from headers, which a caller can write. Unknown: absent. */
export interface Connection {
  /** ISO 3166-1 alpha-2 code, or the platform's own word where there is none. */
  readonly country?: string | undefined
  /** Autonomous system number. */
  readonly asn?: number | undefined
  /** Code of the data centre. */
  readonly colo?: string | undefined
  /** TLS version, as the platform names it. */
  readonly tls?: string | undefined
  /** SHA-256 of the client certificate in base64url, only if the platform has verified it. */
  readonly certificate?: string | undefined
  /** Bot score: 1 (surely a bot) to 99. */
  readonly botScore?: number | undefined
}
