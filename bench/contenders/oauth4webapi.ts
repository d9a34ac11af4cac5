import { type AuthorizationServer, customFetch, validateJwtAccessToken } from 'oauth4webapi'
import { type BenchEnv, forward, refuse } from './env.ts'

let server: AuthorizationServer | undefined

/** Verifies each request with oauth4webapi, proofs too, and tells nobody who is calling. */
export default {
  async fetch(request, env) {
    server ??= { issuer: env.ISSUER, jwks_uri: `${env.ISSUER}/jwks` }
    try {
      await validateJwtAccessToken(server, request, env.AUDIENCE, {
        // The library asks once, and again after five minutes.
        [customFetch]: async () => Response.json({ keys: env.KEYS }),
      })
    } catch {
      return refuse()
    }
    return forward(request, env)
  },
} satisfies ExportedHandler<BenchEnv>
