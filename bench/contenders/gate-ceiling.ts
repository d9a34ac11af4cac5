import type { Env } from '../../src/adapters/env.ts'
import { openGate } from '../../src/adapters/open.ts'
import { createMemoryRevocations } from '../../src/adapters/revocations/memory.ts'
import type { Opened } from '../../src/apps/context.ts'
import { gateway } from '../../src/apps/gateway.ts'
import { perObject } from '../../src/base/memo.ts'
import { createGuard } from '../../src/guard.ts'

export { KeyKeeper } from '../../src/adapters/key-keeper.ts'
export { RevocationShard } from '../../src/adapters/revocations/shard.ts'

const none = createMemoryRevocations({ clock: { now: () => Date.now() } })

/** The gate's ports but for the revocation set: it finds nothing revoked, and asks nobody. */
const ceiling = perObject((given: Opened['ports']) => ({
  ...given,
  revocations: none,
  store: none,
}))

const guardOf = perObject((policy: NonNullable<Opened['policy']>) =>
  perObject((ports: Opened['ports']) => createGuard(policy, ports)),
)

/** The gate with everything on but the call to the revocation set. */
export default {
  fetch(request, env, ctx) {
    const opened = openGate(request, env)
    const ports = ceiling(opened.ports)
    const guard = opened.policy && guardOf(opened.policy)(ports)
    return gateway.fetch(request, { ...opened, ports, guard }, ctx)
  },
} satisfies ExportedHandler<Env>
