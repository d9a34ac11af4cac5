import type { Decision } from '../guard.ts'
import type { McpPorts } from './mcp/answer.ts'

/** By what was known: what the answer to a request that passed is given out with. */
const deciders = new WeakMap<Decision['known'], McpPorts>()

/** Remembers the ports of the guard that made a decision, for whoever answers. */
export const rememberDecider = ({ known }: Decision, ports: McpPorts): void => {
  deciders.set(known, ports)
}

/** The ports of the guard that made a decision; of one from elsewhere they are not known. */
export const deciderOf = ({ known }: Decision): McpPorts | undefined => deciders.get(known)
