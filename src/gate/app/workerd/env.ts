import type { ApprovalStore } from '../../approvals/object/object.ts'
import type { AssertionKeyService } from '../../assertion/object.ts'
import type { KeyService } from '../../keys/object.ts'
import type { RateLimiter } from '../../limit/object.ts'
import type { RecordStore } from '../../outbox/protocol.ts'
import type { Objects } from '../../platform/calls.ts'
import type { ReplayShard } from '../../replay/object.ts'
import type { RevocationShard } from '../../revocation/object/object.ts'

/**
 * The bindings and variables of wrangler.toml. Policy variables are `unknown`: the policy's decoder
 * checks them.
 */
export interface Env {
  /** Objects of the registry, which the gate does not call. */
  readonly AGENTS?: object
  readonly APPROVALS?: DurableObjectNamespace<ApprovalStore>
  readonly ASSERTION_KEY_SERVICE?: DurableObjectNamespace<AssertionKeyService>
  readonly AUDIT_LOG?: Objects<RecordStore>
  readonly JWKS_CACHE?: KVNamespace
  readonly KEY_SERVICE?: DurableObjectNamespace<KeyService>
  readonly RATE_LIMITER?: DurableObjectNamespace<RateLimiter>
  readonly REPLAYS?: DurableObjectNamespace<ReplayShard>
  readonly REVOCATIONS?: DurableObjectNamespace<RevocationShard>
  /** `[version_metadata] binding = "CF_VERSION_METADATA"`; optional. */
  readonly CF_VERSION_METADATA?: WorkerVersionMetadata
  readonly [name: string]: unknown
}
