import {
  type AuthorizationServer,
  customFetch,
  type JWTAccessTokenClaims,
  validateJwtAccessToken,
} from 'oauth4webapi'
import type { BenchEnv } from './env.ts'

let server: AuthorizationServer | undefined

/** The claims of a request's token, whose proof is checked too; nothing where one of them is not good. */
export const validate = async (
  request: Request,
  env: BenchEnv,
): Promise<JWTAccessTokenClaims | undefined> => {
  server ??= { issuer: env.ISSUER, jwks_uri: `${env.ISSUER}/jwks` }
  try {
    return await validateJwtAccessToken(server, request, env.AUDIENCE, {
      requireDPoP: true,
      // The library asks once, and again after five minutes.
      [customFetch]: async () => Response.json({ keys: env.KEYS }),
    })
  } catch {
    return undefined
  }
}
