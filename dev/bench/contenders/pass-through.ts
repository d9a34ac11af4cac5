import { type BenchEnv, forward } from './env.ts'

/** Forwards everything, looks at nothing: what any Worker in front of an origin costs. */
export default { fetch: forward } satisfies ExportedHandler<BenchEnv>
