import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { sample } from './http.ts'

const GATES = 40

let origin: Origin
beforeAll(async () => {
  origin = await startOrigin()
})
afterAll(() => origin.close())

it('says the same in workerd, and the origin gets the same headers', async () => {
  const { seed } = inject('trying')
  let [decisions, forwarded] = [0, 0]
  const disagreements: string[] = []
  for (let number = 0; number < GATES; number++) {
    const one = await sample(seed, number, origin)
    decisions += one.decisions
    forwarded += one.forwarded
    disagreements.push(...one.disagreements)
    origin.clear()
  }
  console.log(`${decisions} decisions over HTTP by ${GATES} gates, ${forwarded} forwarded`)
  expect(disagreements).toEqual([])
  expect(forwarded).toBeGreaterThan(GATES)
})
