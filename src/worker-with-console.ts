import { consoleGateway } from './control/console/app.ts'
import { type ControlEnv, controlPorts } from './control/ports.ts'
import { onceLoaded, openGate } from './gate/app/workerd/open.ts'
import worker from './worker.ts'

export * from './worker.ts'

/** The Worker with a console: see `GATE.console`. */
export default {
  ...worker,
  fetch: (request, env) =>
    onceLoaded(env, () => consoleGateway(request, openGate(request, env, controlPorts))),
} satisfies ExportedHandler<ControlEnv>
