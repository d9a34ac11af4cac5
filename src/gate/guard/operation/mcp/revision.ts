import { MCP_REVISIONS, type McpRevision } from '../../../model/mcp.ts'

/** The features of an MCP revision over streamable HTTP. */
export interface RevisionRules {
  readonly methods: readonly string[]
  /** Whether a body may contain several messages. */
  readonly batch: boolean
  /** Whether `Mcp-Session-Id` is used; otherwise it is ignored. */
  readonly sessions: boolean
  /** Whether clients respond to requests of the server. */
  readonly answers: boolean
  /** Whether `Mcp-Method` and `Mcp-Name` must mirror the body; otherwise they are ignored. */
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

/** The revision of a client that sends no header: the only revision without one. */
export const UNSAID: McpRevision = '2025-03-26'

/** Whether a value is a revision of MCP that the gate supports. */
export function isRevision(text: unknown): text is McpRevision {
  return (MCP_REVISIONS as readonly unknown[]).includes(text)
}

/** Whether a revision begins with `initialize`, which negotiates it. */
export function isNegotiated(revision: McpRevision): boolean {
  return REVISION_RULES[revision].sessions
}
