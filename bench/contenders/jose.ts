import { type CryptoKey, importJWK, type JWTHeaderParameters, jwtVerify } from 'jose'
import { type BenchEnv, bearer, forward, refuse } from './env.ts'

let keys: ReadonlyMap<string, CryptoKey> | undefined

/** Verifies each request with `jose.jwtVerify` against keys that are imported once per isolate. */
export default {
  async fetch(request, env) {
    keys ??= await importKeys(env)
    const imported = keys
    const token = bearer(request)
    if (token === undefined) return refuse()
    try {
      await jwtVerify(token, ({ kid = '' }) => keyOf(imported, kid), {
        issuer: env.ISSUER,
        audience: env.AUDIENCE,
        algorithms: ['ES256', 'RS256'],
        typ: 'at+jwt',
        requiredClaims: ['exp'],
      })
    } catch {
      return refuse()
    }
    return forward(request, env)
  },
} satisfies ExportedHandler<BenchEnv>

const importKeys = async ({ KEYS }: BenchEnv): Promise<ReadonlyMap<string, CryptoKey>> => {
  const imported = KEYS.map(async (jwk) => [jwk.kid, (await importJWK(jwk)) as CryptoKey] as const)
  return new Map(await Promise.all(imported))
}

const keyOf = (
  imported: ReadonlyMap<string, CryptoKey>,
  kid: NonNullable<JWTHeaderParameters['kid']>,
): CryptoKey => {
  const key = imported.get(kid)
  if (!key) throw new Error('no such key')
  return key
}
