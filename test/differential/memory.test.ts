/** Whatever a gate remembers of tokens, it decides, tells and writes as one that remembers nothing. */
import { expect, it } from 'vitest'
import { isSoak } from '../kit/property.ts'
import { changedVars, makeCase } from './cases.ts'
import { createCoverage } from './coverage.ts'
import { createDice } from './dice.ts'
import { type First, readVars, startFirst } from './first.ts'
import { withKept } from './kept.ts'
import { BEGIN, type Said, type Vars } from './shapes.ts'
import { change, type Sent, sentOf, worldOf } from './world.ts'

const DECISIONS = isSoak() ? 40_000 : 1_500

/** What is drawn by lot, or says how long something took. An assertion is signed anew now and then. */
const DRAWN = /^(?:id|x-request-id|request_id|ms|.*-assertion)$/

const without = (table: Record<string, unknown> = {}) =>
  Object.fromEntries(Object.entries(table).filter(([name]) => !DRAWN.test(name)))

const policyOf = (vars: Vars) => {
  const read = readVars(vars)
  if (!read.ok) throw new Error(JSON.stringify(read.reason))
  return read.value.policy
}

/** All that a request has brought about. */
const broughtAbout = ({ headers, assertion, ...said }: Said, { last }: First) => ({
  ...said,
  headers: without(headers),
  assertion: { ...assertion, iat: 0, exp: 0, jti: '' },
  record: without(last.record),
  status: last.answer?.status,
  answered: without(last.answer?.headers),
})

it('decides, tells and writes the same with a memory of tokens as without one', async () => {
  const recalled = createCoverage()
  /** What was decided of tokens and met before. */
  const met = new WeakSet<object>()
  let decisions = 0
  await withKept(async () => {
    for (let number = 0; decisions < DECISIONS; number++) {
      const one = makeCase(2, number)
      const dice = createDice(3, number)
      let now = BEGIN * 1000
      let [vars] = one.policies as [Vars]
      const both = [true, false].map((remembers) => ({
        gate: startFirst(now, remembers),
        world: worldOf(one),
      }))
      const deploy = (next: Vars) => {
        vars = next
        for (const { gate } of both) gate.deploy(policyOf(vars))
      }
      const ask = async (sent: Sent) => {
        const all = []
        for (const { gate, world } of both) {
          const said = await gate.ask(sent, world)
          all.push({ said, about: broughtAbout(said, gate) })
        }
        const [warm, cold] = all
        expect(warm?.about, JSON.stringify({ number, sent })).toEqual(cold?.about)
        const { admission } = both[0]?.gate.last ?? {}
        if (admission && warm && met.has(admission)) recalled.meet(vars, warm.said)
        if (admission) met.add(admission)
        decisions++
      }
      deploy(vars)
      for (const { gate, world } of both) await gate.learn(world)
      for (const [step, { before, request }] of one.steps.entries()) {
        now += Math.round((before?.wait ?? 0) * 1000)
        if (before?.policy !== undefined) deploy(one.policies[before.policy] ?? vars)
        for (const { gate, world } of both) {
          if (before?.answered) await gate.answer()
          if (before && (await change(world, before))) await gate.learn(world)
        }
        const sent = sentOf(request, one, now)
        await ask(sent)
        if (step % 4 > 1) continue
        // The same request under another policy, or another reading of this one, and under this one again.
        const own = vars
        deploy(dice.chance(0.3) ? structuredClone(own) : changedVars(dice, own))
        await ask(sent)
        deploy(own)
        await ask(sent)
      }
      for (const { gate } of both) {
        await gate.answer()
        expect(gate.errors).toEqual([])
      }
    }
  })
  expect(recalled.decisions).toBeGreaterThan(decisions / 30)
  // What is remembered is used; in soak at each key that a rule has.
  const never = recalled.missing(1).filter((key) => key.startsWith('rule.'))
  expect(isSoak() ? never : []).toEqual([])
})
