import { mkdtemp, rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { build } from '../../test/kit/bundle.ts'
import { request } from '../../test/kit/request.ts'
import type { Configuration } from './costs/configurations.ts'
import { LOCAL_ISSUER, startCostGate, startOutside } from './costs/gate.ts'
import type { Kind } from './kinds.ts'
import { ask } from './load.ts'
import { ASKING } from './policy.ts'
import { median, rounded } from './statistics.ts'
import { createMint } from './tokens.ts'

/** How long after the decision held calls were forwarded. */
export interface ApprovalTime {
  readonly calls: number
  /** Milliseconds. */
  readonly median: number
  readonly most: number
}

const CALLS = 50
/** Calls before the measured ones. */
const WARMING = 5
/** Milliseconds that a person takes, at least. */
const THINKING_MS = 100

const KIND: Kind = {
  id: 'held',
  title: 'a call that is held',
  method: 'POST',
  path: '/v1/refunds/0',
  body: '{"amount":500}',
  rule: ASKING.rule,
}
const CONFIGURATION: Configuration = {
  ...{ id: 'held', title: KIND.title, kind: KIND, gate: ASKING.gate, vars: ASKING.vars },
  ...{ hasAudit: true, reaches: 'APPROVALS' },
}
const DECISION = {
  by: { issuer: 'https://people.example', subject: 'bob' },
  digest: 'shown',
  state: 'granted',
}

/** Holds calls one by one, decides on each in the object, and times it until the origin has the call. */
export const measureApprovals = async (): Promise<ApprovalTime> => {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-held-'))
  const mint = await createMint(LOCAL_ISSUER)
  const arrivals = new Map<string, number>()
  const outside = await startOutside(mint.keys, (path) => arrivals.set(path, performance.now()))
  const gate = await startCostGate(CONFIGURATION, outside, await build(join(directory, 'wrangler')))
  const agent = new Agent({ keepAlive: true })
  const call = async <Answer>(method: string, ...given: readonly unknown[]) => {
    const body = JSON.stringify({ binding: 'APPROVALS', name: 'approvals', method, given })
    const answer = await request(gate.server.ports.objects ?? 0, '/', { method: 'POST', body })
    return ((await answer.json()) as { readonly answer: Answer }).answer
  }
  const waiting = async (): Promise<string> => {
    const { approvals } = await call<{ readonly approvals: readonly { readonly id: string }[] }>(
      'list',
      { state: 'waiting' },
    )
    return approvals[0]?.id ?? wait(10).then(waiting)
  }
  try {
    const [credential] = await mint.mint('ES256', 1)
    const times: number[] = []
    for (let i = 0; i < WARMING + CALLS; i++) {
      const path = `/v1/refunds/${i}`
      const to = { agent, host: '127.0.0.1', port: gate.port, path }
      const answer = ask(to, KIND, credential)
      const early = answer.then((text) => Promise.reject(new Error(`answered early: ${text}`)))
      const id = await Promise.race([waiting(), early])
      await wait(THINKING_MS)
      const decided = performance.now()
      await call('decide', id, DECISION)
      await answer
      times.push((arrivals.get(path) ?? Number.NaN) - decided)
    }
    const measured = times.slice(WARMING)
    const most = Math.max(...measured)
    return { calls: CALLS, median: rounded(1, median(measured)), most: rounded(1, most) }
  } finally {
    agent.destroy()
    await gate.stop()
    outside.close()
    await rm(directory, { recursive: true, force: true })
  }
}
