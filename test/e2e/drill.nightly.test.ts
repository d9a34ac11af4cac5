import { expect, it } from 'vitest'
import { ALL_KEPT, drillGate, EVERYTHING } from './drill-gate.ts'

const { drill } = await drillGate()

it('finds every promise kept fifty times', async () => {
  for (let i = 0; i < 50; i++) {
    const { code, states, findings } = await drill(EVERYTHING)
    expect({ states, code }, JSON.stringify(findings)).toEqual({ states: ALL_KEPT, code: 0 })
  }
})
