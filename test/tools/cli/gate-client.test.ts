import { describe, expect, it } from 'vitest'
import { callGate, gateAddress } from '../../../src/command/base/gate-client.ts'
import { cannotTell } from '../../../src/command/base/output.ts'
import { close, JSON_TYPE, listen } from './recording-gate.ts'

describe('a gate that does not answer', () => {
  it.each([
    ['at all', false],
    ['to the end', true],
  ])('%s cannot be told from', async (_, begins) => {
    const { server, origin } = await listen((__, response) => {
      if (begins) response.writeHead(200, JSON_TYPE).write('{')
    })
    const address = { origin, prefix: '/.edgewarden', loopback: true }
    const reply = await callGate(address, { path: '/' }, 100)
    await close(server)
    expect(reply).toEqual({
      ok: false,
      reason: cannotTell(`${origin} cannot be reached: no answer within 0.1 s.`),
    })
  })
})

describe('where a gate is', () => {
  it.each([
    ['https://api.acme.dev/', true],
    ['http://localhost:8787', true],
    ['http://[::1]:8787', true],
    ['http://api.acme.dev', false],
    ['http://127.0.0.1.acme.dev', false],
    ['https://me:you@api.acme.dev', false],
    ['file:///etc/hosts', false],
  ])('%s: %s', (url, expected) => {
    expect(gateAddress(url, '/.edgewarden').ok).toBe(expected)
  })
})
