import { expect, it } from 'vitest'
import { gateway } from '../../../src/gate/app/gateway.ts'
import type { Opened } from '../../../src/gate/app/platform/ports.ts'
import { chainDenials } from '../../../src/gate/base/chain.ts'
import type { Guard, GuardContext } from '../../../src/gate/guard/guard.ts'
import { clock, gateOf, policyOf } from '../../kit/facts.ts'

it('tells the guard what the platform knows of a request, and nothing that a header says', async () => {
  const told: (GuardContext | undefined)[] = []
  const policy = policyOf([], { gate: gateOf({ clientIp: { from: 'connection' } }) })
  const ports = { clock, journal: { record: () => {} } } as unknown as Opened['ports']
  const guard: Guard = Object.assign(
    async (...[, around]: Parameters<Guard>) => {
      told.push(around)
      const denial = chainDenials('unavailable')
      return { outcome: 'denied', denial, known: {}, waits: {}, ports } as const
    },
    { policy },
  )
  const opened = {
    prefix: '/.edgewarden',
    policy,
    guard,
    ports,
    version: undefined,
    colo: undefined,
  }
  const headers = { 'cf-ipcountry': 'AT', 'x-forwarded-for': '192.0.2.9' }
  const request = () => new Request('https://api.example.com/', { headers })
  await gateway(request(), {
    ...opened,
    cf: () => ({ country: 'DE', asn: 3320, colo: 'FRA', clientIp: '[2001:db8::1]:7' }),
  })
  await gateway(request(), { ...opened, cf: () => undefined })
  const facts = told.map(({ caller, connection: { country, asn, colo, tls } = {} } = {}) => ({
    caller,
    connection: { country, asn, colo, tls },
  }))
  expect(facts).toEqual([
    { caller: '2001:db8::1', connection: { country: 'DE', asn: 3320, colo: 'FRA' } },
    { caller: undefined, connection: {} },
  ])
})
