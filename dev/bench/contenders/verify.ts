import { type CryptoKey, importJWK, type JWTPayload, type JWTVerifyResult, jwtVerify } from 'jose'
import type { BenchEnv } from './env.ts'

let keys: ReadonlyMap<string | undefined, CryptoKey> | undefined

/** The verified token of a request, by `jose.jwtVerify` and keys that are imported once; nothing where it is not good. */
export const verify = async <Claims = JWTPayload>(
  request: Request,
  env: BenchEnv,
): Promise<JWTVerifyResult<Claims> | undefined> => {
  keys ??= await importKeys(env)
  const imported = keys
  const token = /^Bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  if (token === undefined) return undefined
  const keyOf = (kid: string | undefined): CryptoKey => {
    const key = imported.get(kid)
    if (!key) throw new Error('no such key')
    return key
  }
  try {
    return await jwtVerify<Claims>(token, ({ kid }) => keyOf(kid), {
      issuer: env.ISSUER,
      audience: env.AUDIENCE,
      algorithms: ['ES256', 'RS256'],
      typ: 'at+jwt',
      requiredClaims: ['exp'],
    })
  } catch {
    return undefined
  }
}

const importKeys = async ({ KEYS }: BenchEnv) => {
  const imported = KEYS.map(async (jwk) => [jwk.kid, (await importJWK(jwk)) as CryptoKey] as const)
  return new Map(await Promise.all(imported))
}
