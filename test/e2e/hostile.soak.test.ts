import { it } from 'vitest'
import { expectUnharmed, startHostileWorld, underAttack } from './hostile.ts'

it('hostile traffic stops no honest agent, and the audit and the registry have all of their requests', async () => {
  const world = await startHostileWorld()
  const attack = await underAttack(world, 20)
  console.log(attack)
  await expectUnharmed(world, attack)
  await world.close()
})
