import type { Env } from 'hono'
import { HonoBase } from 'hono/hono-base'
import type { Router } from 'hono/router'
import { TrieRouter } from 'hono/router/trie-router'
import { createTextMemo } from '../base/memo.ts'

/**
 * A Hono app with one router, so that no other is bundled. Matches are remembered: the gate's own endpoints have few
 * paths.
 */
export function createApp<E extends Env>(
  getPath?: (request: Request, options?: { env?: E['Bindings'] }) => string,
): HonoBase<E> {
  return new HonoBase<E>({
    router: remembering(new TrieRouter()),
    ...(getPath && { getPath }),
  })
}

const remembering = <Handler>(router: Router<Handler>): Router<Handler> => {
  const known = createTextMemo<ReturnType<Router<Handler>['match']>>()
  return {
    name: router.name,
    add: (method, path, handler) => router.add(method, path, handler),
    match(method, path) {
      const text = `${method} ${path}`
      return known.get(text) ?? known.keep(text, router.match(method, path))
    },
  }
}
