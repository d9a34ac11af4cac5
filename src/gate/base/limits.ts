/** All bounds on input from strangers, and on the memory and time that it may take. */
export const LIMITS = {
  /** Characters of a token, before anything in it is decoded. */
  tokenLength: 16 * 1024,
  /** Characters of a DPoP proof. */
  proofLength: 8 * 1024,
  /** Characters of its header, whose key anyone chooses: enough for RSA of 4096 bits, and longer keys cost more. */
  proofHeaderLength: 1_500,
  /** Seconds by which a nonce of another isolate may be from the future. */
  nonceAheadSeconds: 30,
  /** Nesting of a token's JSON. */
  jsonDepth: 32,
  /** Of MCP: nesting of a message, messages of one batch, and characters of a message's id. */
  messageDepth: 64,
  messagesPerBatch: 50,
  messageIdLength: 256,
  /** Characters of JSON that a record has about the messages of a batch, or about the further names of a message. */
  recordedMessages: 3_072,
  /** Resources that one message subscribes to. */
  subscriptionsPerMessage: 256,
  /** Members of a token's `authorization_details`. */
  authorizationDetails: 64,
  /** Characters of a header's `kid`. */
  kidLength: 256,
  /** Characters of a request path. */
  pathLength: 8 * 1024,
  /** Characters of all texts that servers may read in place of a path's segments, and what each text counts besides. */
  pathReadings: 24 * 1024,
  pathReading: 512,
  /** Parameters of a query from which a rule reads: some parsers stop at 1,000. */
  queryParameters: 100,
  /** Characters of unverified values written to the journal. */
  claimedLength: 128,
  /** Characters of a path in a record of the audit. */
  auditPathLength: 512,
  /** Bytes of a fetched key set or metadata document. */
  documentBytes: 64 * 1024,
  /** Keys of one set that are read. */
  keys: 64,
  /** Keys in the operator's signing secret, and withdrawn keys. Verifiers read all published keys. */
  assertionKeys: 16,
  /** Bits of an RSA modulus: minimum (RFC 7518 §3.3) and maximum. The cost of verifying grows with their square. */
  rsaBits: 2048,
  rsaBitsMost: 16_384,
  /** Milliseconds to fetch a key set or metadata document. */
  fetchMs: 5_000,
  /** Bytes of a small body, which a connection takes in at once; such a body is not watched. */
  smallBodyBytes: 16 * 1024,
  /** Bytes of a request's body that workerd reads by itself after the answer. */
  restBytes: 64 * 1024,
  /** The most bytes of a request's body that are copied to the origin at once. */
  uploadPartBytes: 64 * 1024,
  /** Milliseconds in which an origin that has refused reads nothing more, until the gate drops the rest of the body. */
  originStallMs: 250,
  /** Characters of an encoded claim in a header of its own. */
  claimHeaderLength: 4_096,
  /** Bytes of a body that is buffered before it is forwarded: default and maximum. */
  heldBodyBytes: 1024 * 1024,
  heldBodyBytesMost: 4 * 1024 * 1024,
  /** Bytes of all bodies that an isolate buffers at a time, of requests and answers: in total and per agent. */
  heldBodies: { bytes: 32 * 1024 * 1024, ofOne: 4 * 1024 * 1024 },
  /** Bytes that are dropped of the body of a refused request whose sender is not known. */
  strangersBodyBytes: 64 * 1024,
  /**
   * Bytes of the blocks into which an isolate reads bodies that it drops at a time, of callers whose signature was
   * verified and of strangers: in total, and for one agent or address.
   */
  droppedBodies: { bytes: 4 * 1024 * 1024, ofOne: 512 * 1024 },
  strangersDroppedBodies: { bytes: 1024 * 1024, ofOne: 256 * 1024 },
  /** Most milliseconds for which a buffered body is counted while the gate waits for the origin's answer. */
  originMs: 30_000,
  /** Milliseconds that are added to the time for which a room counts its bytes. */
  heldSlackMs: 20_000,
  /** Bytes of an MCP server's answer, or of one event of it, that is buffered to be filtered. */
  mcpAnswerBytes: 2 * 1024 * 1024,
  /** Milliseconds until such an answer must be whole, unless the rule's `timeout` is shorter. */
  mcpAnswerMs: 30_000,
  /** Bytes of a request to the gate's own endpoints. */
  adminBodyBytes: 64 * 1024,
  /**
   * Bytes of a sign-in at the console, and milliseconds to read them: no token is needed to send them. Each has up to
   * so many milliseconds more, at random.
   */
  signInBytes: 8 * 1024,
  signInMs: 3_000,
  signInMoreMs: 2_000,
  /** Milliseconds to read a whole request body. */
  bodyReadMs: 10_000,
  /** Revocations in one call. */
  revocationsPerCall: 100,
  /** Characters of a revocation's value, so of every value that can be revoked; and of its reason. */
  revocationValue: 2_048,
  /** Security events about one issuer's subjects, of which the set knows that it has acted on them. */
  signals: 100_000,
  /** Events about one issuer's subjects that wait for one receiver. */
  outgoing: 10_000,
  revocationReason: 512,
  /** Verified tokens that an isolate remembers, their bytes with all cached values, and the bytes of one token. */
  verifiedTokens: 5_000,
  verifiedTokenBytes: 48 * 1024 * 1024,
  verifiedTokenBytesOfOne: 768 * 1024,
  /** Milliseconds for one attempt to read the revocation set. */
  revocationReadMs: 3_000,
  /** Milliseconds to read a page of the whole set, even when many isolates read at once. */
  revocationPageMs: 15_000,
  /** Milliseconds for one attempt to count a request. */
  rateLimitMs: 2_000,
  /** Refusals of exact limits that an isolate remembers, and the milliseconds until it asks again. */
  rememberedRefusals: 10_000,
  refusalMs: 10_000,
  /** Seconds after `exp` for which some gate may still accept a token: the largest tolerance plus slack. */
  lateTokenSeconds: 65,
  /** Milliseconds for one attempt to claim the use of a token. */
  replayMs: 2_000,
  /** Network addresses for which an isolate counts requests. */
  countedAddresses: 10_000,
  /** Revocations stored in the set. */
  revocations: 1_000_000,
  /** Approved, suspended and retired agents of the registry, which are stored beside revocations. */
  agentStandings: 100_000,
  /** Discovered agents of an issuer that no administrator has decided on. */
  discoveredAgents: 10_000,
  /** Durable Objects that each store the whole set. */
  shards: 64,
  /** Of a condition: characters, nodes, nesting depth, and `+` operators. */
  conditionLength: 2_000,
  conditionNodes: 256,
  conditionDepth: 32,
  conditionSums: 8,
  /** Most steps of one evaluation of a condition, for any input. */
  conditionSteps: 16_000,
  /** Of a value that a condition reads: characters of a text, members of a list or object, all members, levels. */
  conditionText: 1_024,
  conditionItems: 256,
  conditionMembers: 1_024,
  conditionLevels: 5,
  /** Characters of the text that a condition searches for, and of an operand that is shown. */
  conditionNeedle: 128,
  operandLength: 128,
} as const
