import { reset } from 'cloudflare:test'
import { beforeAll, beforeEach } from 'vitest'

// Files share a process, and so its objects: each begins with none.
beforeAll(reset)

// Objects log what tests make fail: it is printed of a test that fails itself.
beforeEach(({ onTestFailed, onTestFinished }) => {
  const { error } = console
  const lines: unknown[][] = []
  console.error = (...line: unknown[]) => void lines.push(line)
  onTestFailed(() => {
    for (const line of lines) error(...line)
  })
  onTestFinished(() => {
    console.error = error
  })
})
