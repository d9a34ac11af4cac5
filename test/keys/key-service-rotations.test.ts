import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Issuer } from '../../src/gate/model/issuer.ts'
import { issuerOf, publicJwk, startServer, startWorld } from './support.ts'

const A = await publicJwk('ES256', { kid: 'a' })
const B = await publicJwk('ES256', { kid: 'b' })

let server: Awaited<ReturnType<typeof startServer>>
let world: ReturnType<typeof startWorld>
let issuer: Issuer

beforeEach(async () => {
  server = await startServer()
  issuer = issuerOf({ keys: { kind: 'uri', uri: `${server.origin}/jwks` } })
  world = startWorld()
})
afterEach(() => server.close())

describe('rotations', () => {
  /** What a service tells of them once the issuer publishes these. */
  const turn = async (...keys: unknown[]) => {
    server.json('/jwks', { keys })
    world.clock.advance(600_000)
    const question = { place: issuer, times: issuer.keyTimes, why: 'newer' } as const
    return (await world.service.ask(question)).record?.rotations ?? []
  }

  it('are remembered and told, but for the first set', async () => {
    await turn(A)
    expect(world.events).toEqual([])
    expect(await turn(A, B)).toMatchObject([{ added: ['b'], removed: [] }, { added: ['a'] }])
    expect(await turn(B)).toMatchObject([{ added: [], removed: ['a'] }, {}, {}])
    expect(await turn(B)).toHaveLength(3)
    expect(world.events).toEqual([
      { event: 'keys_rotated', issuer: 'acme', added: ['b'], removed: [] },
      { event: 'keys_rotated', issuer: 'acme', added: [], removed: ['a'] },
    ])
  })

  it('are twenty at most', async () => {
    let rotations: readonly unknown[] = await turn(A)
    for (let i = 0; i < 25; i++) rotations = await turn({ ...A, kid: `${i}` })
    expect(rotations).toHaveLength(20)
    expect(rotations[0]).toMatchObject({ at: world.clock.now(), added: ['24'], removed: ['23'] })
    expect(world.events).toHaveLength(25)
  })

  it('are told to isolates, in seconds', async () => {
    await turn(A)
    const isolate = world.isolate()
    await isolate.find(issuer, 'a')
    const at = Math.floor(world.clock.now() / 1000)
    expect(isolate.status(issuer).rotations).toEqual([{ at, added: ['a'], removed: [] }])
  })
})
