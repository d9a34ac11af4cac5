import type { PublicKey } from '../public-key.ts'

/** What every contender is bound to; the ones that verify nothing use `ORIGIN` alone. */
export interface BenchEnv {
  /** The origin, in the same process. */
  readonly ORIGIN: Fetcher
  readonly ISSUER: string
  readonly AUDIENCE: string
  /** The issuer's public keys, one for each algorithm. */
  readonly KEYS: readonly PublicKey[]
}

/** Sends the request on as it came. */
export const forward = (request: Request, env: BenchEnv): Promise<Response> =>
  env.ORIGIN.fetch(new Request(request))

/** The token after `Bearer `, or nothing. */
export const bearer = (request: Request): string | undefined =>
  /^Bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]

/** The answer to a request without a good token. */
export const refuse = (): Response => new Response('Unauthorized', { status: 401 })
