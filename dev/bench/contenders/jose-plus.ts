import { type BenchEnv, refuse } from './env.ts'
import { type Claims, keepPromises } from './promises.ts'
import { verify } from './verify.ts'

/** Verifies each request with jose, and keeps promises of the gate by hand. */
export default {
  async fetch(request, env) {
    const verified = await verify<Claims>(request, env)
    if (!verified) return refuse()
    const { payload: claims, protectedHeader } = verified
    return keepPromises(request, env, { claims, kid: protectedHeader.kid, possession: 'bearer' })
  },
} satisfies ExportedHandler<BenchEnv>
