import { base64url } from 'jose'
import { type BenchEnv, bearer, forward, refuse } from './env.ts'

interface Key {
  readonly alg: string
  readonly parameters: SubtleCryptoSignAlgorithm
  readonly key: CryptoKey
}

let keys: ReadonlyMap<string, Key> | undefined

/** Verifies each request with `crypto.subtle.verify` and nothing around it. */
export default {
  async fetch(request, env) {
    keys ??= await importKeys(env)
    const [header = '', payload = '', signature = '', rest] = bearer(request)?.split('.') ?? []
    if (signature === '' || rest !== undefined) return refuse()
    try {
      const { kid, alg } = JSON.parse(text(base64url.decode(header)))
      const found = keys.get(kid)
      if (found === undefined || found.alg !== alg) return refuse()
      const { parameters, key } = found
      const signed = encoder.encode(`${header}.${payload}`)
      if (!(await crypto.subtle.verify(parameters, key, base64url.decode(signature), signed)))
        return refuse()
      const { iss, aud, exp } = JSON.parse(text(base64url.decode(payload)))
      if (iss !== env.ISSUER || aud !== env.AUDIENCE || !(exp > Date.now() / 1000)) return refuse()
    } catch {
      return refuse()
    }
    return forward(request, env)
  },
} satisfies ExportedHandler<BenchEnv>

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const text = (value: Uint8Array): string => decoder.decode(value)

const ALGORITHMS: Readonly<Record<string, SubtleCryptoImportKeyAlgorithm>> = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
}

const importKeys = async ({ KEYS }: BenchEnv): Promise<ReadonlyMap<string, Key>> =>
  new Map(
    await Promise.all(
      KEYS.map(async ({ kid, alg, ...jwk }) => {
        const parameters = ALGORITHMS[alg]
        if (!parameters) throw new Error('no such algorithm')
        const key = await crypto.subtle.importKey('jwk', jwk, parameters, false, ['verify'])
        return [kid, { alg, parameters, key }] as const
      }),
    ),
  )
