import { consoleGateway } from './control/console/app.ts'
import type { Env } from './gate/app/platform/env.ts'
import { onceLoaded, openGate } from './gate/app/platform/open.ts'
import worker from './worker.ts'

export * from './worker.ts'

/** The Worker with a console: see `GATE.console`. */
export default {
  ...worker,
  fetch: (request, env) => onceLoaded(env, () => consoleGateway(request, openGate(request, env))),
} satisfies ExportedHandler<Env>
