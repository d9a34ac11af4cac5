import { expect, it } from 'vitest'
import { besideAccepted, expectUnharmed, startHostileWorld, underAttack } from './hostile.ts'

// At half a core of one thread, pauses of its garbage collector make most of the p99, whatever the requests are.
it('ten minutes of hostile traffic that takes half a core delay honest agents by less than 20 ms more than accepted traffic', async () => {
  const busy = await startHostileWorld()
  const accepted = await besideAccepted(busy, 120)
  await busy.close()
  const world = await startHostileWorld()
  const attack = await underAttack(world, 600)
  console.log({ ...attack, accepted })
  await expectUnharmed(world, attack)
  expect(attack.beside.p99 - accepted.p99).toBeLessThan(20)
  await world.close()
})
