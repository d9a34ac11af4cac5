import { vi } from 'vitest'
import { AuditLog } from '../../../src/control/audit/object.ts'

/** From now on the audit stores what it gets, and its answer is lost. Undo it by `mockRestore`. */
export function loseAnswers() {
  const { append } = AuditLog.prototype
  return vi.spyOn(AuditLog.prototype, 'append').mockImplementation(async function (
    this: AuditLog,
    batch,
  ) {
    await append.call(this, batch)
    throw new Error('the answer is lost')
  })
}
