import { type BenchEnv, refuse } from './env.ts'
import { type Claims, keepPromises } from './promises.ts'
import { validate } from './validate.ts'

/** Verifies each request with oauth4webapi, proofs too, and keeps promises of the gate by hand. */
export default {
  async fetch(request, env) {
    const claims = (await validate(request, env)) as Claims | undefined
    return claims ? keepPromises(request, env, { claims, possession: 'dpop' }) : refuse()
  },
} satisfies ExportedHandler<BenchEnv>
