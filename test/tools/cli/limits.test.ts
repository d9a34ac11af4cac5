import { describe, expect, it } from 'vitest'
import { check } from '../../../src/command/policy/check.ts'
import { routes } from '../../../src/command/policy/routes.ts'
import { folder, PARTS, toml, unplaced, write } from './kit.ts'

const directory = await folder()
let count = 0
const fileOf = (changes: Parameters<typeof toml>[0]) =>
  write(directory, `${count++}.toml`, toml(changes))
const errors = async (changes: Parameters<typeof toml>[0]) =>
  unplaced(await check({ file: await fileOf(changes) })).err

const LIMITED = `${PARTS.route}\nrate_limit = { limit = 5, period = "1m" }`
const BOUND = `${PARTS.route}\nrate_limit = { binding = "RL", per = "client" }`
const TABLE = '[[ratelimits]]\nname = "RL"\nnamespace_id = "1"\nsimple = { limit = 5, period = 60 }'
const LIMITER = '{ name = "RATE_LIMITER", class_name = "RateLimiter" }'
const withLimiter = PARTS.objects.replace('bindings = [', `bindings = [\n  ${LIMITER},`)
const CLASS = '[exports.RateLimiter]\ntype = "durable-object"\nstorage = "sqlite"'

describe('an exact limit', () => {
  it('needs its object, and is told what to write', async () => {
    expect(await errors({ route: LIMITED })).toEqual([
      expect.stringMatching(
        /^bindings\.RATE_LIMITER: is not there: .*; write \{ name = "RATE_LIMITER", class_name = "RateLimiter" \} among the bindings of \[durable_objects\], and \[exports\.RateLimiter\] with type = "durable-object" and storage = "sqlite"$/,
      ),
      expect.stringMatching(/: 1 mistake$/),
    ])
  })

  it('needs its class', async () => {
    expect(await errors({ route: LIMITED, objects: withLimiter })).toEqual([
      expect.stringMatching(/^exports\.RateLimiter: is not there with SQLite storage/),
      expect.stringMatching(/: 1 mistake$/),
    ])
  })

  it('is in order with both, and neither is needed without it', async () => {
    const changes = { route: LIMITED, objects: withLimiter, more: CLASS }
    expect(await errors(changes)).toEqual([])
    expect(await errors({ objects: withLimiter })).toEqual([])
    expect(await errors({})).toEqual([])
  })

  it('is in the table of routes', async () => {
    const file = await fileOf({ route: LIMITED, objects: withLimiter, more: CLASS })
    const { out, json } = await routes({ file })
    expect(out.join('\n')).toMatch(/rate_limit=.*"limit":5,"period":"60s"/)
    expect(json).toMatchObject({
      routes: [{ rate_limit: { limit: 5, period: '60s', per: 'agent' } }],
    })
  })
})

describe('a limit by a binding', () => {
  it('needs its table', async () => {
    expect(await errors({ route: BOUND })).toEqual([
      'ROUTES[0].rate_limit.binding: needs the binding `RL`, which is not there: a [[ratelimits]] table with that name',
      expect.stringMatching(/: 1 mistake$/),
    ])
    expect(await errors({ route: BOUND, more: TABLE })).toEqual([])
  })

  it('of addresses needs it, too', async () => {
    const gate = `${PARTS.gate}\naddress_limit = { binding = "RL" }`
    expect(await errors({ gate })).toEqual([
      expect.stringMatching(/^GATE\.address_limit\.binding: needs the binding `RL`/),
      expect.stringMatching(/: 1 mistake$/),
    ])
    expect(await errors({ gate, more: TABLE })).toEqual([])
  })

  it.each(['rate_limits', 'ratelimit'])('is not read from [[%s]]', async (name) => {
    const more = TABLE.replace('ratelimits', name)
    expect(await errors({ route: BOUND, more })).toContain(
      `${name}: is not read; did you mean [ratelimits]?`,
    )
  })
})

describe('a rule that takes each token once', () => {
  const ONCE = `${PARTS.route}\nsingle_use = true`
  const STORE = '{ name = "REPLAYS", class_name = "ReplayShard" }'
  const withStore = PARTS.objects.replace('bindings = [', `bindings = [\n  ${STORE},`)
  const SHARD = '[exports.ReplayShard]\ntype = "durable-object"\nstorage = "sqlite"'

  it('needs its object and class, and is told what to write', async () => {
    expect(await errors({ route: ONCE })).toEqual([
      expect.stringMatching(
        /^bindings\.REPLAYS: is not there: .*; write \{ name = "REPLAYS", class_name = "ReplayShard" \} among the bindings of \[durable_objects\], and \[exports\.ReplayShard\] with type = "durable-object" and storage = "sqlite"$/,
      ),
      expect.stringMatching(/: 1 mistake$/),
    ])
    expect(await errors({ route: ONCE, objects: withStore })).toEqual([
      expect.stringMatching(
        /^exports\.ReplayShard: is not there with SQLite storage, .*: every request to a rule with single_use, or with a DPoP proof, would be refused;/,
      ),
      expect.stringMatching(/: 1 mistake$/),
    ])
    expect(await errors({ route: ONCE, objects: withStore, more: SHARD })).toEqual([])
    expect(await errors({ objects: withStore })).toEqual([])
  })

  it('is in the table of routes, and among what is still asked', async () => {
    const file = await fileOf({ route: ONCE, objects: withStore, more: SHARD })
    for (const options of [{ file }, { file, scopes: 'a:read' }]) {
      const { out, json } = await routes(options)
      expect(out.join('\n')).toMatch(/single_use=true/)
      expect(json).toMatchObject({ routes: [{ single_use: true }] })
    }
  })
})
