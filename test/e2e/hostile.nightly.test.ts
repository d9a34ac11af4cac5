import { expect, it } from 'vitest'
import { eventually } from '../kit/eventually.ts'
import { rememberedOf, startHostileWorld, underAttack } from './hostile.ts'

it('ten minutes of hostile traffic that takes half a core delay honest agents by less than 20 ms', async () => {
  const world = await startHostileWorld()
  const { quiet, beside, statuses, sent, hostile } = await underAttack(world, 600)
  console.log({ quiet, beside, statuses, ...hostile })
  expect(Object.keys(statuses)).toEqual(['allowed'])
  // Compared until it is too much, and refused if that took longer than the time between two.
  expect(Object.keys(hostile.pastes)).toContain('413')
  expect(Object.keys(hostile.pastes).filter((status) => !['413', '429'].includes(status))).toEqual(
    [],
  )
  expect(beside.p99 - quiet.p99).toBeLessThan(20)
  await eventually(async () => {
    const { decisions, listed, alerts } = await rememberedOf(world)
    expect([...decisions].sort()).toEqual([...sent].sort())
    expect(listed.sort()).toEqual([...sent.keys()].sort())
    expect(alerts).toEqual([])
  })
  await world.close()
})
