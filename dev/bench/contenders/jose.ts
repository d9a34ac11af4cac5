import { type BenchEnv, forward, refuse } from './env.ts'
import { verify } from './verify.ts'

/** Verifies each request with jose, and tells nobody who is calling. */
export default {
  fetch: async (request, env) => ((await verify(request, env)) ? forward(request, env) : refuse()),
} satisfies ExportedHandler<BenchEnv>
