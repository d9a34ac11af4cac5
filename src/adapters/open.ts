import type { Send } from '../answer/forward.ts'
import type { GatePorts, Opened } from '../apps/context.ts'
import type { Clock } from '../model/ports.ts'
import type { Env } from './env.ts'
import { consoleJournal } from './journal.ts'
import { createKeyCache } from './keys/cache.ts'
import { createKeySource } from './keys/source.ts'
import { createPolicyLoader } from './policy.ts'
import { createReadiness } from './readiness.ts'
import { createRevocations } from './revocations.ts'
import { createTokenMemory } from './verified-tokens.ts'

const log = (event: Record<string, unknown>) => console.error(JSON.stringify(event))
const clock: Clock = { now: () => Date.now() }

/** What an isolate keeps between requests: plain data and keys, never a stub or a stream. */
const policyOf = createPolicyLoader(log)
const keyCache = createKeyCache()
const tokens = createTokenMemory({ clock })
const readinessOf = createReadiness(keyCache, clock)

/** Everything one request needs, made from its environment. Opens no connection. */
export const openGate = (request: Request, env: Env, ctx: ExecutionContext): Opened => {
  const { policy, prefix } = policyOf(env)
  const { cf } = request as { readonly cf?: { readonly colo?: string; readonly clientIp?: string } }
  return {
    prefix,
    policy,
    ports: portsOf(env, ctx, policy),
    version: env.CF_VERSION_METADATA?.id,
    colo: cf?.colo,
    connection: cf?.clientIp?.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''),
  }
}

const portsOf = (env: Env, ctx: ExecutionContext, policy: Opened['policy']): GatePorts => {
  const revocations = env.REVOCATIONS ? createRevocations(env.REVOCATIONS) : unbound
  return {
    clock,
    keys: createKeySource({
      cache: keyCache,
      ...(env.JWKS_CACHE && { kv: env.JWKS_CACHE }),
      fetch: (url, init) => fetch(url, init),
      clock,
      waitUntil: (promise) => ctx.waitUntil(promise),
      log,
    }),
    tokens,
    revocations,
    store: revocations,
    journal: consoleJournal,
    send: sender(env),
    readiness: () => readinessOf(policy, revocations),
    onError: (stage, error) => log({ event: 'unexpected_error', stage, error: String(error) }),
  }
}

/** Without its binding a policy is not valid, so nobody is answered from this. */
const unreachable = () => Promise.reject(new Error('REVOCATIONS is not bound'))
const unbound: ReturnType<typeof createRevocations> = {
  lookup: unreachable,
  list: unreachable,
  get: unreachable,
  add: unreachable,
  remove: unreachable,
}

/** An answer for one agent is never another's: subrequests are not cached. */
const sender =
  (env: Env): Send =>
  ({ service }, request) =>
    service === undefined
      ? fetch(request, { cache: 'no-store' })
      : (env[service] as Fetcher).fetch(request, { cache: 'no-store' })
