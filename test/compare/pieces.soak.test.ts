import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import { createPace } from '../../src/compare/pace.ts'
import { environmentsOf } from '../../src/compare/wrangler/environments.ts'
import { environmentParts } from '../../src/compare/wrangler/reading.ts'
import { spread } from '../../src/gate/base/parts.ts'

/** Milliseconds of processor time of this process. */
const processorTime = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/** Compares two policies as the console does, and gives the processor time of each piece between two pauses. */
const piecesOf = async (before: readonly string[], after: readonly string[]) => {
  const pieces: number[] = []
  let begun = processorTime()
  const pause = async () => {
    pieces.push(processorTime() - begun)
    await turn()
    begun = processorTime()
  }
  const policyOf = async (matches: readonly string[]) => {
    const [one] = environmentsOf({
      vars: {
        GATE: { resource: 'https://api.example.com', origin: 'https://origin.example.com' },
        ISSUERS: { acme: { issuer: 'https://acme.example' } },
        ROUTES: matches.map((match, i) => ({ match, scopes: [`s:${i}`] })),
      },
    })
    if (!one) throw new Error('no environment')
    const pace = createPace(pause)
    const parts = environmentParts(
      one,
      undefined,
      () => true,
      () => {},
    )
    const { parsed } = await spread(parts, () => pace(500))
    await pause()
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
    return parsed.value.policy
  }
  expect(
    await comparePolicies(await policyOf(before), await policyOf(after), { most: 100_000, pause }),
  ).toMatchObject({ ok: true })
  await pause()
  return pieces
}

it.each(['GET /v1/part-#/{b}', 'GET,POST /v1/{a}/part-#/{b}'])(
  '900 rules %s are read and compared in short pieces',
  async (match) => {
    const many = Array.from({ length: 900 }, (_, i) => match.replace('#', `${i}`))
    const shortest: number[] = []
    for (let run = 0; run < 5; run++) {
      for (const [i, ms] of (await piecesOf(['GET /v1/x', 'POST /v1/y'], many)).entries()) {
        shortest[i] = Math.min(shortest[i] ?? ms, ms)
      }
    }
    expect(shortest.length).toBeGreaterThan(100)
    expect(Math.max(...shortest)).toBeLessThan(10)
  },
)
