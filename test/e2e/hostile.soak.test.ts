import { expect, it } from 'vitest'
import { eventually } from '../kit/eventually.ts'
import { rememberedOf, startHostileWorld, underAttack } from './hostile.ts'

it('hostile traffic stops no honest agent, and the audit and the registry have all of their requests', async () => {
  const world = await startHostileWorld()
  const { quiet, beside, statuses, sent, hostile } = await underAttack(world, 20)
  console.log({ quiet, beside, statuses, ...hostile })
  expect(Object.keys(statuses)).toEqual(['allowed'])
  // Compared until it is too much, and refused if that took longer than the time between two.
  expect(Object.keys(hostile.pastes)).toContain('413')
  expect(Object.keys(hostile.pastes).filter((status) => !['413', '429'].includes(status))).toEqual(
    [],
  )
  await eventually(async () => {
    const { decisions, listed, alerts } = await rememberedOf(world)
    expect([...decisions].sort()).toEqual([...sent].sort())
    expect(listed.sort()).toEqual([...sent.keys()].sort())
    expect(alerts).toEqual([])
  })
  await world.close()
})
