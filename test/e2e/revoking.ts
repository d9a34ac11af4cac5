import { expect } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { askGate, type Setting } from './setting.ts'

const PATH = '/.edgewarden/revocations'

/** What an operator does at a gate whose one issuer has `admin = "all"`. */
export const revoking = (setting: Setting, gate: Gate) => {
  const admin = () =>
    setting.token({ client_id: 'operator', sub: 'operator', scope: 'edgewarden:revoke' })
  return {
    /** Revokes within the issuer; the id of the entry. */
    async revoke(entry: object): Promise<string> {
      const response = await askGate(gate, PATH, {
        method: 'POST',
        token: await admin(),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ issuer: setting.issuer.issuer, ...entry }),
      })
      expect(response.status).toBe(200)
      const { revocations } = (await response.json()) as { revocations: [{ id: string }] }
      return revocations[0].id
    },
    async lift(id: string): Promise<void> {
      const init = { method: 'DELETE', token: await admin() }
      expect((await askGate(gate, `${PATH}/${id}`, init)).status).toBe(204)
    },
  }
}
