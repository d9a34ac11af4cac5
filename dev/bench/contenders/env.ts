import type { PublicKey } from '../public-key.ts'

/** What every contender is bound to; the ones that verify nothing use `ORIGIN` alone. */
export interface BenchEnv {
  readonly ORIGIN: Fetcher
  readonly ISSUER: string
  readonly AUDIENCE: string
  /** The issuer's public keys, one for each algorithm. */
  readonly KEYS: readonly PublicKey[]
}

/** Sends the request on as it came. */
export const forward = (request: Request, env: BenchEnv): Promise<Response> =>
  env.ORIGIN.fetch(new Request(request))

/** The answer to a request without a good token. */
export const refuse = (): Response => new Response('Unauthorized', { status: 401 })
