import { vi } from 'vitest'
import { createTokenMemory } from '../../src/gate/app/platform/token-memory.ts'
import { createGuard, type GuardContext, type GuardPorts } from '../../src/gate/guard/guard.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import type { KeySource } from '../../src/gate/model/ports.ts'
import { type Kind, revocationId } from '../../src/gate/model/revocation.ts'
import { createMemoryRevocations } from '../../src/gate/revocation/memory.ts'
import {
  anyRooms,
  ISSUER,
  NOW,
  noLimits,
  noReplays,
  noSessions,
  noSigning,
  RESOURCE,
  requestTo,
} from './facts.ts'

/** What an isolate keeps between requests, around the line itself. */
export interface LineOptions {
  readonly keys: KeySource
  readonly entries?: number
  readonly bytes?: number
  /** Seconds since the epoch when it begins. */
  readonly now?: number
}

/** How one request is asked otherwise than with `GET` of the resource and a good time. */
export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly ports?: Partial<GuardPorts>
  readonly trace?: GuardContext['trace']
}

/** One isolate: a clock to move, the memory of tokens and a revocation set, and real signatures. */
export const startLine = ({ keys, now = NOW, ...bounds }: LineOptions) => {
  const clock = { at: now * 1000, now: () => clock.at }
  const tokens = createTokenMemory({ clock, ...bounds })
  const keep = vi.spyOn(tokens, 'keep')
  const verify = vi.spyOn(crypto.subtle, 'verify')
  const revocations = createMemoryRevocations({ clock })
  const errors: unknown[] = []
  return {
    clock,
    tokens,
    revocations,
    errors,
    /** Calls that gave the memory a token, in order. */
    kept: () => keep.mock.calls.map(([{ credential }]) => credential.token),
    /** Signatures verified since this was asked last. */
    verified() {
      const { length } = verify.mock.calls
      verify.mockClear()
      return length
    },
    /** Revokes until the function it gives is called. */
    async revoke(kind: Kind, value: string, issuer = ISSUER) {
      const subject = { kind, issuer, value }
      const id = await revocationId(subject, 'block')
      const entry = { ...subject, id, mode: 'block', created: now, createdBy: 'operator' } as const
      await revocations.add([entry])
      return () => revocations.remove(id)
    },
    /** What one request under this policy comes to. */
    async ask(
      policy: Policy,
      path: string,
      token?: string,
      { method, headers, ports, trace }: Asked = {},
    ) {
      const guard = createGuard(policy, {
        clock,
        keys,
        tokens,
        revocations,
        limits: noLimits,
        replays: noReplays,
        signingKeys: noSigning,
        sessions: noSessions,
        bodies: anyRooms,
        onError: (_, error) => void errors.push(error),
        ...ports,
      })
      const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
      const decision = await guard(
        requestTo(path.startsWith('https:') ? path : RESOURCE + path, {
          ...(method !== undefined && { method }),
          headers: { ...authorization, ...headers },
        }),
        { trace },
      )
      const code = decision.outcome === 'denied' ? decision.denial.code : decision.outcome
      return { code, decision, known: decision.known }
    },
  }
}
