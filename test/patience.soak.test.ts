import { expect, it } from 'vitest'
import { createAgentVerifier } from '../packages/origin/src/index.ts'
import { fetchDocument } from '../src/gate/keys/document.ts'
import { run } from './command/kit.ts'
import { startServer } from './gate/keys/support.ts'
import { createIssuer } from './kit/issuer.ts'
import type { FaultName } from './kit/issuer-faults.ts'
import { openGate, requestWith } from './origin/support.ts'

// Each waits for five seconds, which is how long who asks for keys waits where nothing else is said.

it.concurrent('an issuer that is silent is given up by the gate', async () => {
  const server = await startServer()
  server.paths.set('/silent', () => {})
  const began = performance.now()
  const silent = await fetchDocument(`${server.origin}/silent`, {
    fetch: (url, init) => fetch(url, init),
    allowInsecureHttp: true,
  })
  await server.close()
  expect(silent).toEqual({ ok: false, reason: 'timeout' })
  expect(performance.now() - began).toBeGreaterThan(4_900)
})

it.concurrent('an issuer that is silent is given up by doctor', async () => {
  const issuer = await createIssuer({ kid: 'mine' })
  await issuer.fail('hang')
  const { code, stderr } = await run(['doctor', issuer.issuer])
  await issuer.close()
  expect(code).toBe(2)
  expect(stderr).toContain('no answer within 5 s')
})

it.concurrent.each<FaultName>(['hang', 'dribble'])(
  'a gate that does not give its keys (%s) is given up by the origin',
  async (fault) => {
    const clock = { now: () => Date.UTC(2026, 0, 1) }
    const { issuer, options, assertion, close } = await openGate(clock.now)
    await issuer.fail(fault)
    const verify = createAgentVerifier({ ...options, clock })
    const error = await verify(requestWith(await assertion())).catch((one: unknown) => one)
    await close()
    expect(error).toMatchObject({ detail: `${issuer.jwksUri}: timeout` })
    expect(issuer.requests).toHaveLength(1)
  },
)

it.concurrent('a question of the origin that is lost holds no later one', async () => {
  let now = Date.UTC(2026, 0, 1)
  let calls = 0
  const gate = await openGate(() => now)
  const verify = createAgentVerifier({
    ...gate.options,
    clock: { now: () => now },
    fetch: (url, init) => (++calls === 1 ? new Promise(() => {}) : fetch(url, init)),
  })
  const ask = async () => (await verify(requestWith(await gate.assertion()))).id
  const first = ask()
  await expect.poll(() => calls).toBe(1)
  now += 6_000
  expect([await ask(), calls]).toEqual(['agent-1', 2])
  expect(await first).toBe('agent-1')
  await gate.close()
})
