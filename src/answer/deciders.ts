import type { Decision } from '../guard.ts'
import type { McpPorts } from './mcp/answer.ts'

/** By what was known: what the answer to a request that passed is given out with. */
const deciders = new WeakMap<Decision['known'], McpPorts>()

/** Remembers the ports of the guard that made a decision, for whoever answers. */
export const rememberDecider = ({ known }: Decision, ports: McpPorts): void => {
  deciders.set(known, ports)
}

const delivered = new WeakSet<Decision['known']>()

/** Remembers that an answer is already as its caller gets it. */
export const rememberDelivery = ({ known }: Decision): void => {
  delivered.add(known)
}

export const isDelivered = ({ known }: Decision): boolean => delivered.has(known)

/** The ports of the guard that made a decision; of one from elsewhere they are not known. */
export const deciderOf = ({ known }: Decision): McpPorts | undefined => deciders.get(known)
