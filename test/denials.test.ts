import { describe, expect, it } from 'vitest'
import { denialGroups } from '../src/command/base/denials.ts'
import { ANSWERS } from '../src/gate/base/denial.ts'

const rows = denialGroups().flatMap((group) => group.rows)

describe('the denials of all checks', () => {
  it.each(rows)('%s says what is safe to say', (code, [answer, summary, hint]) => {
    expect(code).toMatch(/^[a-z]+(?:_[a-z]+)*$/)
    expect(Object.keys(ANSWERS)).toContain(answer)
    // RFC 6750 §3: what an error_description may hold.
    expect(summary).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
    for (const text of [summary, hint]) {
      expect(text).toMatch(/^[A-Z]/)
      expect(text).not.toMatch(/["\\{}<>$%]|\.$|\bundefined\b|\[object|\.\.\./)
      expect(text).not.toMatch(/\p{Cc}/u)
    }
  })
})
