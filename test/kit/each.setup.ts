import { beforeEach } from 'vitest'
import { beginEvidence, evidence } from './evidence.ts'
import { beginFile } from './shared.ts'

// Files share gates, issuers and origins: each finds them as they were at first.
beginFile()

// A test that fails over HTTP says what was sent, what came, and what the gate wrote.
beforeEach(({ onTestFailed }) => {
  beginEvidence()
  onTestFailed(() => {
    const text = evidence()
    if (text !== '') console.error(text)
  })
})
