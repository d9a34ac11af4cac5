import { consoleGateway } from './console/app.ts'
import type { Env } from './gateway/platform/env.ts'
import { onceLoaded, openGate } from './gateway/platform/open.ts'
import worker from './worker.ts'

export * from './worker.ts'

/** The Worker with a console: see `GATE.console`. */
export default {
  ...worker,
  fetch: (request, env) => onceLoaded(env, () => consoleGateway(request, openGate(request, env))),
} satisfies ExportedHandler<Env>
