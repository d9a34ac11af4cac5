import { type BenchEnv, forward, refuse } from './env.ts'
import { validate } from './validate.ts'

/** Verifies each request with oauth4webapi, proofs too, and tells nobody who is calling. */
export default {
  async fetch(request, env) {
    return (await validate(request, env)) ? forward(request, env) : refuse()
  },
} satisfies ExportedHandler<BenchEnv>
