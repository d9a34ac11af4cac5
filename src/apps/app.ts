import { HonoBase } from 'hono/hono-base'
import { TrieRouter } from 'hono/router/trie-router'
import type { GateEnv } from './context.ts'

/** A Hono app of the gate, on the router that the rules use too: no second one is bundled. */
export const createApp = (
  getPath?: (request: Request, options?: { env?: GateEnv['Bindings'] }) => string,
): HonoBase<GateEnv> =>
  new HonoBase<GateEnv>({ router: new TrieRouter(), ...(getPath && { getPath }) })
