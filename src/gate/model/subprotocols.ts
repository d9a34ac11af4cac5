import { perObject } from '../base/memo.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { Policy } from './policy.ts'

/** Prefixes of tokens in WebSocket subprotocols (RFC 6455 §1.9): OpenAI Realtime, MCP (draft SEP-1288), Jupyter. */
const KNOWN = ['openai-insecure-api-key.', 'mcp.auth.', 'v1.token.websocket.jupyter.org.']

/** The gate's own subprotocol: its client may renew its token while the WebSocket is open. */
export const RENEWAL = 'edgewarden.renew.v1'

/** RFC 9110 §5.6.2. */
const NAME = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/
const TOKEN = /^[\w\-.~+]+$/

/** Finds a token's subprotocol, without case: of those known, and of the prefixes of every rule. */
const tokens = perObject(({ routes }: Pick<Policy, 'routes'>): RegExp => {
  const all = [...KNOWN, ...routes.flatMap(({ tokenSubprotocols = [] }) => tokenSubprotocols)]
  const prefixes = [...new Set(all)].join('|').replaceAll('.', '\\.')
  return new RegExp(`(?<![!#$%&'*+\\-.^\`|~\\w])(?:${prefixes})`, 'i')
})

/**
 * The items of a list of subprotocols. Does not check them.
 * @example subprotocolsOf('mcp, own.token') // ['mcp', 'own.token']
 */
export function subprotocolsOf(list: string | null): readonly string[] {
  return list === null ? [] : list.split(',').map((one) => one.trim())
}

/**
 * The token in a list of subprotocols, by the prefixes that a rule takes; `undefined` without one. A token by any other
 * known prefix counts as a further token. `alone`: an answer would have to repeat the token.
 */
export function tokenIn(
  list: string,
  prefixes: readonly string[],
  policy: Policy,
): Result<string | undefined, 'malformed' | 'several' | 'alone'> {
  const offered = subprotocolsOf(list)
  if (!offered.every((one) => NAME.test(one)) || new Set(offered).size < offered.length) {
    return fail('malformed')
  }
  const [sent, ...others] = offered.filter((one) => tokens(policy).test(one))
  if (others.length > 0) return fail('several')
  const prefix = prefixes.find((one) => sent?.startsWith(one))
  if (sent === undefined || prefix === undefined) return ok(undefined)
  const token = sent.slice(prefix.length)
  if (!TOKEN.test(token)) return fail('malformed')
  return offered.length > 1 ? ok(token) : fail('alone')
}

/** Removes tokens and {@link RENEWAL} from `Sec-WebSocket-Protocol`, in place; the header too if nothing else is in it. */
export function removeTokens(headers: Headers, policy: Policy): void {
  const offered = subprotocolsOf(headers.get('sec-websocket-protocol'))
  const stay = offered.filter((one) => one !== RENEWAL && !tokens(policy).test(one))
  if (stay.length === offered.length) return
  if (stay.some((one) => one !== '')) headers.set('Sec-WebSocket-Protocol', stay.join(', '))
  else headers.delete('sec-websocket-protocol')
}
