/** Hop-by-hop header names (RFC 9110 §7.6.1). */
export const HOP_BY_HOP: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** Inbound names never sent to an origin, folded. */
export const REMOVED: readonly string[] = [
  'forwarded',
  'via',
  'x-real-ip',
  'true-client-ip',
  'x-rewrite-url',
  'x-method-override',
  'remote-user',
  'x-request-id',
  'proxy-authenticate',
  'proxy-authorization',
  ...HOP_BY_HOP,
]

/** Prefixes of inbound names never sent to an origin, folded. */
export const REMOVED_PREFIXES: readonly string[] = [
  'x-agent-',
  'x-original-',
  'x-http-method',
  'x-forwarded-',
  'cf-',
  'client-cert',
  'x-client-cert',
  'x-ssl-',
  'x-remote-',
  'x-auth-request-',
]
