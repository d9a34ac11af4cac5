import { own, ownText } from '../../base/json.ts'

/** What the policy may need beside its variables. */
export type BindingKind = 'service' | 'fetcher' | 'secret' | 'kv' | 'durable_object' | 'ratelimit'

/**
 * The environment a policy is checked against. A checker without values answers `has` from the
 * configuration and `undefined` for every secret that it does not know; a policy parsed that way must not serve.
 */
export interface PolicyEnv {
  has(kind: BindingKind, name: string): boolean
  secret(name: string): string | undefined
  /** Set if the policy is only used to judge what an issuer's tokens look like, and admits nobody. */
  readonly admitsNobody?: true
}

const METHODS_OF: Readonly<Record<Exclude<BindingKind, 'secret'>, readonly string[]>> = {
  service: ['fetch'],
  fetcher: ['fetch'],
  kv: ['get', 'put'],
  durable_object: ['idFromName', 'get'],
  ratelimit: ['limit'],
}

/** A Worker's `env` as it is. Own names only. */
export function workerEnv(env: Readonly<Record<string, unknown>>): PolicyEnv {
  const secret = (name: string) => ownText(env, name)
  return {
    secret,
    has(kind, name) {
      if (kind === 'secret') return secret(name) !== undefined
      const binding = own(env, name) as Readonly<Record<string, unknown>> | null | undefined
      return (
        typeof binding === 'object' &&
        METHODS_OF[kind].every((method) => typeof binding?.[method] === 'function')
      )
    },
  }
}
