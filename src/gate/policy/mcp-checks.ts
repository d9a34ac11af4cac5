import { foldedName } from '../base/text.ts'
import { MCP_KINDS, type McpKind, type McpRule, type McpUse } from '../model/mcp.ts'
import { isArgument } from '../model/mcp-scopes.ts'
import { warnHold } from './keys/approval.ts'
import { DEFAULT_IDENTITY_PREFIX, type GateEntry } from './keys/gate.ts'
import { literalOf } from './keys/mcp-spelling.ts'
import type { RouteEntry } from './keys/route-keys.ts'
import { quote, quoteAll, type Report, under, unknownName } from './reading/issues.ts'

/** Methods of streamable HTTP; HEAD comes with GET. */
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'DELETE']

/** All entries of a rule, with their paths in `mcp`. */
const usesOf = ({ names }: McpRule): readonly (readonly [McpUse, readonly [McpKind, string]])[] =>
  MCP_KINDS.flatMap((kind) => names[kind].all.map((use) => [use, [kind, use.pattern]] as const))

/** Checks `mcp` against the rest of its rule. Shadow mode does not apply to such a rule. */
export function checkMcp(entry: RouteEntry, gate: GateEntry, report: Report): void {
  const { match, mcp, access = 'required' } = entry
  if (!mcp) return
  if (access !== 'required') {
    report(['mcp'], `is only for rules with access = "required": this one is ${access}`)
  }
  if (entry.forward_token) {
    report(
      ['forward_token'],
      "must be left out with mcp: an MCP server never gets the caller's token",
    )
  }
  if (gate.assertion?.binding === 'off') {
    report(['mcp'], 'needs the keys that GATE.assertion = "off" removes: session ids are signed')
  }
  if (!match) return
  const others = match.methods.filter((method) => !METHODS.includes(method))
  if (others.length > 0) {
    report(
      ['match'],
      `takes ${quoteAll(others)}, which MCP does not use; write ${quote(`GET,POST,DELETE ${match.path}`)}`,
    )
  } else if (!match.methods.includes('POST')) {
    report(['match'], 'must take POST: messages to an MCP server are posted')
  }
  for (const [use, path] of usesOf(mcp)) {
    const own: Report = (inner, message) => report(['mcp', ...path, ...inner], message)
    checkUse(use, match.params, gate, own)
    if (path[0] === 'resources') checkArguments(use, own)
  }
}

/**
 * Reports scopes and conditions of a resource that read arguments: a resource is used without arguments. `report` is at
 * the entry.
 */
const checkArguments = ({ scopes: { scopes }, when, approval }: McpUse, report: Report): void => {
  const why = 'and resources are read without'
  for (const { source, parts } of scopes) {
    if (!parts.some((part, i) => i % 2 === 1 && isArgument(part))) continue
    report([], `${quote(source)}: takes an argument, ${why}`)
  }
  const read = when?.arguments ?? []
  if (read.length > 0) report(['when'], `reads ${quoteAll(read)} of the arguments, ${why}`)
  const asked = approval?.unless?.arguments ?? []
  if (asked.length > 0)
    report(['approval', 'unless'], `reads ${quoteAll(asked)} of the arguments, ${why}`)
  if (approval?.shows) report(['approval', 'shows'], `names arguments, ${why}`)
}

/** Reports unknown path parameters and headers of an entry. `report` is at the entry. */
const checkUse = (
  { scopes: { scopes }, when, approval }: McpUse,
  params: readonly string[],
  gate: GateEntry,
  report: Report,
): void => {
  for (const { source, parts } of scopes) {
    const hole = parts.find((part, i) => i % 2 === 1 && !isArgument(part) && !params.includes(part))
    if (hole === undefined) continue
    report([], `${quote(source)}: ${unknownName('path parameter', hole, params)}`)
  }
  checkCondition(when, params, gate, report)
  checkCondition(approval?.unless, params, gate, under(report, 'approval'), 'unless')
}

/** Reports unknown path parameters and identity headers in a condition; `report` is beside it. */
export function checkCondition(
  when: McpUse['when'],
  params: readonly string[],
  gate: GateEntry,
  report: Report,
  key = 'when',
): void {
  const hole = when?.params.find((name) => !params.includes(name))
  if (hole !== undefined) report([key], unknownName('path parameter', hole, params))
  const identity = gate.identity_prefix ?? DEFAULT_IDENTITY_PREFIX
  for (const [i, name] of (when?.headers ?? []).entries()) {
    if (!foldedName(name).startsWith(identity)) continue
    report([key, 'headers', i], 'is an identity header, which only the gate sets')
  }
}

/** Warns of permissions in `mcp` that are probably unintended. */
export function warnMcp(
  { match, mcp, cors, mode }: RouteEntry,
  gate: GateEntry,
  report: Report,
): void {
  if (!mcp) return
  if ((mode ?? gate.mode) === 'shadow') {
    report(
      ['mode'],
      'is `enforce` here: a rule with mcp is never in shadow mode; write mode = "enforce"',
    )
  }
  for (const [{ pattern, scopes, approval }, path] of usesOf(mcp)) {
    if (approval) warnHold(approval, gate, under(report, 'mcp', ...path))
    if (literalOf(pattern) !== '') continue
    const needs = scopes.scopes.length === 0 ? ', with no scope of its own' : ''
    report(
      ['mcp', ...path],
      `allows all ${path[0]} that are not named${needs}: also those that the server adds later`,
    )
  }
  const missing = ['GET', 'DELETE'].filter(
    (one) => !match?.methods.some((method) => method === one),
  )
  if (match && missing.length > 0 && [...mcp.revisions].some((one) => one < STATELESS)) {
    report(
      ['match'],
      `does not take ${quoteAll(missing)}, which clients of revisions before ${STATELESS} use: GET to listen, DELETE to end a session`,
    )
  }
  const refused = (cors?.origins ?? []).filter((one) => !mcp.origins.has(one))
  if (refused.length > 0) {
    report(
      ['cors', 'origins'],
      `has ${quoteAll(refused)}, whose pages are still refused: mcp.origins does not name them`,
    )
  }
}

/** The first revision without sessions and GET streams. */
const STATELESS = '2026-07-28'
