import type { AssertionKeeper } from '../../assertion/object.ts'
import type { KeyKeeper } from '../../keys/object.ts'
import type { RateLimiter } from '../../limit/object.ts'
import type { ReplayShard } from '../../replay/object.ts'
import type { RevocationShard } from '../../revocation/object.ts'

/**
 * What wrangler.toml binds. Policy variables are `unknown`: an operator's edit must not break the
 * compiler, and they are judged by the policy's own decoder.
 */
export interface Env {
  readonly ASSERTION_KEEPER?: DurableObjectNamespace<AssertionKeeper>
  readonly JWKS_CACHE?: KVNamespace
  readonly KEY_KEEPER?: DurableObjectNamespace<KeyKeeper>
  readonly RATE_LIMITER?: DurableObjectNamespace<RateLimiter>
  readonly REPLAYS?: DurableObjectNamespace<ReplayShard>
  readonly REVOCATIONS?: DurableObjectNamespace<RevocationShard>
  /** `[version_metadata] binding = "CF_VERSION_METADATA"`, where an operator adds it. */
  readonly CF_VERSION_METADATA?: WorkerVersionMetadata
  readonly [name: string]: unknown
}
