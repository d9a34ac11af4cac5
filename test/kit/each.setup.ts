import { afterAll, beforeEach, vi } from 'vitest'
import { compileCondition } from '../../src/gate/policy/conditions/compile.ts'
import { provideConditions } from '../../src/gate/policy/conditions/field.ts'
import { beginEvidence, evidence } from './evidence.ts'
import { beginFile } from './shared.ts'

// Files share gates, issuers and origins: each finds them as they were at first.
beginFile()

// A clock that a file stands still goes on for the next file.
afterAll(() => void vi.useRealTimers())

// Read by tests of single parts; the Worker loads it before it reads a policy.
provideConditions(compileCondition)

// A test that fails over HTTP says what was sent, what came, and what the gate wrote.
beforeEach(({ onTestFailed }) => {
  beginEvidence()
  onTestFailed(() => {
    const text = evidence()
    if (text !== '') console.error(text)
  })
})
