import { usesOf } from '../../compare/scopes.ts'
import { isPrivateHost } from '../../gate/base/network.ts'
import { cut } from '../../gate/base/text.ts'
import { isLoopback, parseUrl } from '../../gate/base/url.ts'
import { counted, readFilePolicy } from '../base/file-policy.ts'
import { isSecure } from '../base/gate-client.ts'
import { cannotTell, columns, EXIT, type Outcome } from '../base/output.ts'
import { wranglerPath } from '../base/wrangler-names.ts'
import { findingsOf } from './checks.ts'
import { faultText, shown } from './faults.ts'
import {
  MCP_CHECKS,
  type McpFacts,
  type McpTarget,
  mcpFactsOf,
  unobtainable,
} from './mcp-checks.ts'
import { clientVerdicts } from './mcp-clients.ts'
import { gatherMcp, PAGE } from './mcp-gather.ts'
import { findingLines, findingsJson, section, verdictOf } from './report.ts'

/**
 * Examines an MCP server from outside, given by its URL or by the path of its rule, and says which clients can find
 * it, register and log in. With a path, `file` or `env` the policy says what its names need. Exits as `doctor` does.
 */
export async function doctorMcp(
  asked: string,
  file: string | undefined,
  env: string | undefined,
): Promise<Outcome> {
  let url = parseUrl(asked)
  let rule: McpTarget['rule']
  if (!url || (file ?? env) !== undefined) {
    const name = wranglerPath(file ?? 'wrangler.toml')
    const found = await readFilePolicy({ file: name, env })
    if (!found.ok) return found.reason
    const { routes, includedBy } = found.value.policy
    const rules = routes.filter(({ mcp }) => mcp)
    const route = rules.find(({ path, resource }) => [path, resource].includes(asked))
    if (!route?.mcp) {
      const paths = rules.map(({ path }) => path).join(', ') || 'none'
      return cannotTell(`${name} has no rule with mcp for "${asked}"; those it has: ${paths}`)
    }
    url = new URL(route.resource)
    rule = { path: route.path, uses: usesOf(route), includedBy }
  }
  if (!isSecure(url)) {
    return cannotTell('--mcp must be https, or http to this machine, without name and password')
  }
  const isLocal = isLoopback(url.hostname) || isPrivateHost(url.hostname)
  const gathered = await gatherMcp(url, isLocal)
  const facts = mcpFactsOf({ url, isLocal, ...(rule && { rule }) }, gathered)
  const findings = findingsOf(facts, MCP_CHECKS)
  const clients = clientVerdicts(facts)
  const able = clients.filter(({ result }) => result === 'works').length
  const { exitCode, summary } = verdictOf(findings, {
    silent: 'there was no answer',
    good: `${able} of ${counted(clients.length, 'known client')} can connect by themselves`,
  })
  const rows = clients.map((one) => Object.values(one).map((cell) => cell ?? '-'))
  return {
    exitCode,
    json: { ...mcpJson(facts), healthy: exitCode === EXIT.yes, clients, ...findingsJson(findings) },
    out: [
      ...mcpLines(facts),
      ...section('Clients', columns([['CLIENT', 'RESULT', 'HOW OR WHY', 'SHOWS'], ...rows])),
      ...['', summary],
    ],
    err: findingLines(findings),
  }
}

/** The most characters of a remote list. */
const LONG = 300
const listText = (list: readonly string[] | undefined): string =>
  list ? shown(cut(list.join(' '), LONG)).slice(1, -1) || 'none' : 'not listed'

const mcpLines = (facts: McpFacts): readonly string[] => {
  const { url, challenge, metadata, server, resource, offered, issuer, as, hidden } = facts
  const { ways, grants } = facts
  const documents = (all: typeof metadata) =>
    columns(all.map((one) => [cut(one.url, LONG), faultText(one) ?? 'status 200']))
  return [
    `MCP server ${url.href}`,
    ...section('Without a token', [
      `${challenge.status ?? challenge.failure}, resource_metadata ${challenge.metadata ? 'named' : 'not named'}`,
    ]),
    ...section('Resource metadata', [
      ...documents(metadata),
      ...(resource === undefined ? [] : [`resource ${shown(resource)}, ${FITS[facts.fit]}`]),
      `scopes ${listText(offered)}`,
    ]),
    ...section(`Authorization server ${shown(issuer ?? 'none')}`, [
      ...documents(server),
      ...(as
        ? [
            `registration: metadata documents ${yes(ways.cimd)}, dynamic ${yes(ways.dcr)}`,
            `grants ${listText(grants)}; PKCE ${listText(facts.pkce)}`,
            `scopes ${listText(facts.scopes)}`,
            'resource parameter (RFC 8707): metadata does not say',
          ]
        : []),
    ]),
    ...section(`Pages at ${PAGE}`, [
      hidden.length > 0 ? `cannot read ${hidden.join(', ')}` : 'can read all',
    ]),
    ...section(`Names of the rule ${facts.rule?.path}`, columns(usesText(facts))),
  ]
}

const yes = (is: boolean) => (is ? 'yes' : 'no')

const FITS = { equal: 'as called', within: 'wider than needed', other: 'ANOTHER' } as const

const usesText = (facts: McpFacts) => {
  // Clients request the scopes of the challenge, or those of the metadata where it names none.
  const requested = facts.challenge.scope?.split(' ') ?? facts.offered
  return (facts.rule?.uses ?? []).map((named) => {
    const { pattern, scopes } = named.use
    const needed = scopes.scopes.map(({ source }) => source)
    const isRequested = needed.every((scope) => requested.includes(scope))
    const missing = unobtainable(named, facts)
    const when = isRequested ? 'from the start' : 'after a refusal that names the scopes'
    return [pattern, needed.join(' ') || '-', missing.length > 0 ? 'NOT OBTAINABLE' : when]
  })
}

const mcpJson = (facts: McpFacts) => {
  const { challenge, resource, fit, offered, issuer, grants, pkce, scopes } = facts
  const documents = (all: typeof facts.metadata) =>
    all.map((one) => ({ url: cut(one.url, LONG), fault: faultText(one) ?? null }))
  return {
    mcp: facts.url.href,
    rule: facts.rule?.path ?? null,
    challenge: { status: challenge.status ?? null, scope: challenge.scope ?? null },
    resource: {
      value: resource ?? null,
      fit,
      scopes: offered,
      documents: documents(facts.metadata),
    },
    authorization_server: {
      ...{ issuer: issuer ?? null, documents: documents(facts.server), registration: facts.ways },
      ...{ grants: grants ?? null, pkce: pkce ?? null, scopes: scopes ?? null },
    },
    hidden_from_pages: facts.hidden,
    names: usesText(facts).map(([name, needs, obtainable]) => ({ name, needs, obtainable })),
  }
}
