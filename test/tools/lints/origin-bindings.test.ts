import { describe, expect, it } from 'vitest'
import { check } from '../../../src/command/policy/check.ts'
import { folder, PARTS, toml, unplaced, write } from '../cli/kit.ts'

const directory = await folder()
const checkText = async (text: string) =>
  unplaced(await check({ file: await write(directory, 'w.toml', text) }))

const PLAIN = PARTS.gate.replace('https://origin', 'http://origin')
const via = (part: string, name: string) => `${part}\norigin_via = "${name}"`
const bound = (table: string, name: string) => `[[${table}]]\nbinding = "${name}"\n`
const CERT = bound('mtls_certificates', 'CERT')
const VPC = bound('vpc_services', 'VPC')

describe('a client certificate over plain http', () => {
  it.each([
    [
      'for the origin of GATE, once',
      toml({
        gate: via(PLAIN, 'CERT'),
        route: `${PARTS.route}\n${PARTS.route.replace('/a', '/b')}`,
        more: CERT,
      }),
      'GATE.origin_via',
    ],
    [
      'for the origin of a rule',
      toml({ route: via(`${PARTS.route}\norigin = "http://o.acme.dev"`, 'CERT'), more: CERT }),
      'ROUTES[0].origin_via',
    ],
    [
      'of a rule, for the origin of GATE',
      toml({ gate: via(PLAIN, 'VPC'), route: via(PARTS.route, 'CERT'), more: CERT + VPC }),
      'ROUTES[0].origin_via',
    ],
    [
      'of a rule in a further variable',
      toml({
        more: via(
          `${CERT}${PARTS.route.replace('ROUTES', 'ROUTES_01').replace('/a', '/b')}\norigin = "http://o.acme.dev"`,
          'CERT',
        ),
      }),
      'ROUTES_01[0].origin_via',
    ],
  ])('is a mistake %s', async (_, text, path) => {
    const { exitCode, err } = await checkText(text)
    expect(exitCode).toBe(1)
    expect(err).toEqual([
      expect.stringMatching(
        /: `CERT` is a client certificate, and plain http to `.*` never presents it/,
      ),
      expect.stringMatching(/: 1 mistake$/),
    ])
    expect(err[0]?.startsWith(`${path}: `)).toBe(true)
  })

  it.each([
    ['a private network', toml({ gate: via(PLAIN, 'VPC'), more: VPC })],
    ['a network', toml({ gate: via(PLAIN, 'VPC'), more: bound('vpc_networks', 'VPC') })],
    [
      'a private network for one rule, and the certificate for another',
      toml({
        gate: via(PARTS.gate, 'CERT'),
        route: via(`${PARTS.route}\norigin = "http://o.internal.acme.dev"`, 'VPC'),
        more: `${CERT}${VPC}${PARTS.route.replace('/a', '/b')}`,
      }),
    ],
  ])('is none by %s', async (_, text) => {
    expect(await checkText(text)).toMatchObject({ exitCode: 0, err: [] })
  })
})

describe('a client certificate that no rule presents', () => {
  const warning = 'warning: bindings.CERT: is a client certificate that is not shown to any origin'

  it.each([
    ['without origin_via', toml({ more: CERT })],
    [
      'where every rule has an origin of its own',
      toml({
        gate: via(PARTS.gate, 'CERT'),
        route: `${PARTS.route}\norigin = "https://o.acme.dev"`,
        more: CERT,
      }),
    ],
    ['where another is presented', toml({ gate: via(PARTS.gate, 'VPC'), more: CERT + VPC })],
  ])('is warned of %s', async (_, text) => {
    const outcome = await checkText(text)
    expect(outcome.err).toEqual([expect.stringContaining(warning)])
    expect(outcome.exitCode).toBe(0)
  })

  it('is none where a rule presents it, nor another binding without use', async () => {
    const route = via(PARTS.route, 'CERT')
    const more = CERT + VPC + bound('services', 'API')
    expect(await checkText(toml({ route, more }))).toMatchObject({ exitCode: 0, err: [] })
  })
})

describe('a service binding as origin_via', () => {
  it('is a Worker, and named as such', async () => {
    const more = bound('services', 'API')
    const outcome = await checkText(toml({ gate: via(PARTS.gate, 'API'), more }))
    expect(outcome.err).toEqual([
      expect.stringMatching(
        /^warning: GATE\.origin_via: `API` is a Worker.*origin = "service:API"/,
      ),
    ])
    expect(outcome.exitCode).toBe(0)
  })
})
