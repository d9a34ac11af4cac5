import { MCP_REVISIONS, type McpRevision } from '../../core/model/mcp.ts'

/** What a revision of MCP has on the wire of streamable HTTP. */
export interface RevisionRules {
  /** Methods of HTTP. */
  readonly methods: readonly string[]
  /** Several messages in one body. */
  readonly batch: boolean
  /** `Mcp-Session-Id`; where there is none it is ignored. */
  readonly sessions: boolean
  /** Answers of a client to requests of the server. */
  readonly answers: boolean
  /** `Mcp-Method` and `Mcp-Name` say what the body says; where they need not they are ignored. */
  readonly mirrored: boolean
}

const STATEFUL: RevisionRules = {
  methods: ['GET', 'POST', 'DELETE'],
  batch: false,
  sessions: true,
  answers: true,
  mirrored: false,
}

export const REVISION_RULES: Readonly<Record<McpRevision, RevisionRules>> = {
  '2025-03-26': { ...STATEFUL, batch: true },
  '2025-06-18': STATEFUL,
  '2025-11-25': STATEFUL,
  '2026-07-28': {
    methods: ['POST'],
    batch: false,
    sessions: false,
    answers: false,
    mirrored: true,
  },
}

/** What a client speaks that does not say: the only revision that had no header for it. */
export const UNSAID: McpRevision = '2025-03-26'

/** Whether a value is a revision of MCP that the gate supports. */
export function isRevision(text: unknown): text is McpRevision {
  return (MCP_REVISIONS as readonly unknown[]).includes(text)
}

/** Whether a revision begins with `initialize`, which settles what is spoken. */
export function isNegotiated(revision: McpRevision): boolean {
  return REVISION_RULES[revision].sessions
}
