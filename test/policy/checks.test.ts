import { describe, expect, it } from 'vitest'
import { CHAT, ITEM, mistakes, policy, type Vars } from './support.ts'

/** `errors = "detailed"` before an origin of this machine, with this about its names. */
const detailed = (gate: object = {}, ...routes: readonly object[]): Vars => ({
  GATE: {
    resource: 'http://localhost:8787',
    origin: 'http://localhost:8788',
    errors: 'detailed',
    ...gate,
  },
  ROUTES: [...routes, CHAT],
})

const PUBLIC = ['api.example.com', '127.0.0.1.example.com', 'localhost.example.com', '10.0.0.1']
const LOOPBACK = ['localhost', 'gate.localhost', '127.0.0.1', '127.8.0.1', '[::1]']

describe('errors = "detailed"', () => {
  it.each<[string, Vars]>([
    ...PUBLIC.map((host): [string, Vars] => [`the host ${host}`, detailed({ hosts: [host] })]),
    ['one host among others', detailed({ hosts: ['localhost', 'api.example.com', '[::1]'] })],
    ['the host of a rule', detailed({}, { ...CHAT, host: 'api.example.com' })],
    [
      'the host of a rule, named',
      detailed({ hosts: ['localhost', 'b.example.com'] }, { ...CHAT, host: 'b.example.com' }),
    ],
    [
      'the resource, by whatever name it is asked for',
      detailed({ resource: 'https://api.example.com', hosts: ['localhost'] }),
    ],
    [
      'the resource of a rule',
      detailed({ hosts: ['localhost'] }, { ...ITEM, resource: 'https://b.example.com' }),
    ],
  ])('is a mistake where others can call: %s', (_, vars) => {
    expect(mistakes(vars)).toEqual([
      expect.stringMatching(/^GATE\.errors: .*only for resources and hosts of this machine/),
    ])
    expect(mistakes({ ...vars, GATE: { ...vars.GATE, errors: 'standard' } })).toEqual([])
  })

  it.each<[string, Vars]>([
    ['where nothing else is named', detailed()],
    ['for every loopback name', detailed({ hosts: LOOPBACK })],
    ['for rules of such a name', detailed({}, { ...CHAT, host: 'gate.localhost' })],
    ['for resources of such a name', detailed({}, { ...ITEM, resource: 'http://127.0.0.1/b' })],
  ])('is taken %s', (_, vars) => {
    expect(policy(vars).gate.errors).toBe('detailed')
  })
})
