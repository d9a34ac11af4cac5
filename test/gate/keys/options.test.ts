import { describe, expect, it } from 'vitest'
import { DEFAULT_KEY_TIMES } from '../../../src/gate/policy/keys/keys.ts'
import { ACME, mistakes, policy } from '../policy/support.ts'

const LOCAL = { issuer: 'http://localhost:9000', allow_insecure_http: true }
const acme = (jwks_cache: unknown, entry: object = ACME) => ({
  ISSUERS: { acme: { ...entry, jwks_cache } },
})
const timesOf = (jwks_cache: unknown, entry?: object) =>
  policy(acme(jwks_cache, entry)).issuers.get(
    (entry as typeof ACME | undefined)?.issuer ?? ACME.issuer,
  )?.keyTimes

describe('the times of keys', () => {
  it('are an hour, a day and half a minute', () => {
    const usual = { maxFresh: 3_600_000, staleIfError: 86_400_000, cooldown: 30_000 }
    expect(policy().issuers.get(ACME.issuer)?.keyTimes).toEqual(usual)
    expect(timesOf({})).toEqual(DEFAULT_KEY_TIMES)
  })

  it.each([
    [{ max_fresh: '24h' }, { maxFresh: 86_400_000 }],
    [{ stale_if_error: '1ms' }, { staleIfError: 1 }],
    [{ cooldown: '10m' }, { cooldown: 600_000 }],
  ])('are as written: %j', (written, expected) => {
    const times = timesOf(written)
    expect(times).toEqual({ ...DEFAULT_KEY_TIMES, ...expected })
    expect(Object.isFrozen(times)).toBe(true)
  })

  it.each([
    [{ max_fresh: '59s' }, 'max_fresh', /at least 1m, unless allow_insecure_http/],
    [{ max_fresh: '25h' }, 'max_fresh', /at most 24h/],
    [{ stale_if_error: '25h' }, 'stale_if_error', /at most 24h/],
    [{ stale_if_error: 3_600 }, 'stale_if_error', /./],
    [{ cooldown: '9s' }, 'cooldown', /at least 10s, unless allow_insecure_http/],
    [{ cooldown: '11m' }, 'cooldown', /at most 10m/],
    [{ cool_down: '30s' }, 'cool_down', /did you mean `cooldown`/],
  ])('are not %j', (written, key, says) => {
    const [mistake, ...others] = mistakes(acme(written))
    expect(mistake).toMatch(new RegExp(`^ISSUERS\\.acme\\.jwks_cache\\.${key}: `))
    expect(mistake).toMatch(says)
    expect(others).toEqual([])
  })

  it('are a table, and all that is wrong with it is told at once', () => {
    expect(mistakes(acme('1h'))).toEqual(['ISSUERS.acme.jwks_cache: must be a table'])
    const wrong = { max_fresh: '30s', cooldown: '5s', stale_if_error: '48h', foo: 1 }
    expect([...mistakes(acme(wrong))].sort()).toEqual([
      expect.stringMatching(/jwks_cache\.cooldown: must be at least 10s/),
      expect.stringMatching(/jwks_cache\.foo: unknown key/),
      expect.stringMatching(/jwks_cache\.max_fresh: must be at least 1m/),
      expect.stringMatching(/jwks_cache\.stale_if_error: must be at most 24h/),
    ])
    expect(mistakes(acme(wrong, LOCAL))).toHaveLength(2)
    expect(mistakes(acme({ max_fresh: '30s' }, { issuer: 'no URL' }))).toHaveLength(2)
  })
})
