/** Every bound of the gate on what strangers may send or make it hold, in one place. */
export const LIMITS = {
  /** Characters of a token, before anything in it is decoded. */
  tokenLength: 16 * 1024,
  /** Nesting of a token's JSON. */
  jsonDepth: 32,
  /** Nesting of a message of MCP, messages of one batch, and characters of a message's id. */
  messageDepth: 64,
  messagesPerBatch: 50,
  messageIdLength: 256,
  /** Resources that one message subscribes to. */
  subscriptionsPerMessage: 256,
  /** Members of a token's `authorization_details`. */
  authorizationDetails: 64,
  /** Characters of a header's `kid`. */
  kidLength: 256,
  /** Characters of a request path. */
  pathLength: 8 * 1024,
  /** Parameters of a query that a rule reads: some parsers read no more than a thousand. */
  queryParameters: 100,
  /** Characters of unverified values written to the journal. */
  claimedLength: 128,
  /** Bytes of a fetched key set or metadata document. */
  documentBytes: 64 * 1024,
  /** Keys of one set that are looked at. */
  keys: 64,
  /** Keys that an operator brings to sign with, and keys that are withdrawn: all that are published are looked at. */
  assertionKeys: 16,
  /** Bits of an RSA modulus, at least (RFC 7518 §3.3) and at most: verifying costs their square. */
  rsaBits: 2048,
  rsaBitsMost: 16_384,
  /** Milliseconds to fetch a key set or metadata document. */
  fetchMs: 5_000,
  /** Bytes of a request's body that a connection takes in at once. */
  smallBodyBytes: 16 * 1024,
  /** Characters of a claim that is told in a header of its own, encoded. */
  claimHeaderLength: 4_096,
  /** Bytes of a body that is held before it is sent on: unless configured, and at most. */
  heldBodyBytes: 1024 * 1024,
  heldBodyBytesMost: 4 * 1024 * 1024,
  /** Bytes of all bodies that an isolate holds at a time, those of requests and of answers, and of one agent's. */
  heldBodies: { bytes: 32 * 1024 * 1024, ofOne: 4 * 1024 * 1024 } as Readonly<
    Record<'bytes' | 'ofOne', number>
  >,
  /** Milliseconds that a held body counts for while its origin has not answered; by then the origin has received it. */
  originMs: 30_000,
  /** Milliseconds after which what a request holds is no longer counted, beside the time that it is held for. */
  heldSlackMs: 20_000,
  /** Bytes of an answer of an MCP server, or of one event of it, that are held to be looked through. */
  mcpAnswerBytes: 2 * 1024 * 1024,
  /** Milliseconds that one is held for until it is whole, unless the rule's `timeout` is shorter. */
  mcpAnswerMs: 30_000,
  /** Bytes of a request to the gate's own endpoints. */
  adminBodyBytes: 64 * 1024,
  /** Milliseconds to read a whole body that an answer waits for. */
  bodyReadMs: 10_000,
  /** Revocations in one call. */
  revocationsPerCall: 100,
  /** Characters of a revocation's value, so of everything it can name; and of its reason. */
  revocationValue: 2_048,
  revocationReason: 512,
  /** Verified tokens an isolate remembers, the bytes they may take with all that is made for them, and one of them. */
  verifiedTokens: 5_000,
  verifiedTokenBytes: 48 * 1024 * 1024,
  verifiedTokenBytesOfOne: 768 * 1024,
  /** Milliseconds one try to read the revocation set may take. */
  revocationReadMs: 3_000,
  /** Milliseconds a page of the whole set may take, when many isolates want it at once. */
  revocationPageMs: 15_000,
  /** Milliseconds one try to count a request may take. */
  rateLimitMs: 2_000,
  /** Seconds that some gate may take a token for after its `exp`: the largest tolerance, and some slack. */
  lateTokenSeconds: 65,
  /** Milliseconds one try to claim the use of a token may take. */
  replayMs: 2_000,
  /** Network addresses an isolate counts requests of. */
  countedAddresses: 10_000,
  /** Revocations held. */
  revocations: 1_000_000,
  /** Objects that each hold all of them. */
  shards: 64,
  /** Characters of a condition, its nodes, how deep they nest, and how many `+` it has. */
  conditionLength: 2_000,
  conditionNodes: 256,
  conditionDepth: 32,
  conditionSums: 8,
  /** Steps that one evaluation of a condition may come to, whatever it is given. */
  conditionSteps: 16_000,
  /** Of a value that a condition reads: characters of a text, members of a list or object, of all, and levels. */
  conditionText: 1_024,
  conditionItems: 256,
  conditionMembers: 1_024,
  conditionLevels: 5,
  /** Characters of what a condition looks for in a text, and of a part of it that is shown. */
  conditionNeedle: 128,
  operandLength: 128,
} as const
