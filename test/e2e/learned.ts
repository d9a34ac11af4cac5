import type { Setting } from './setting.ts'

const HOUR = 3_600_000

/** Five weeks in which an agent calls one rule, as the audit tells the registry. */
export async function learned(
  setting: Setting,
  agent: string,
  watch: string,
  rule = 'GET /v1/{name}',
): Promise<void> {
  const now = Math.floor(Date.now() / HOUR) * HOUR
  const sightings = Array.from({ length: 35 * 24 }, (_, i) => {
    const at = now - (35 * 24 - i) * HOUR
    return {
      issuer: setting.issuer.issuer,
      agent,
      watch,
      ...{ first: at, last: at, allowed: 3, probes: 0, uses: [JSON.stringify([rule])] },
      ...{ types: [], clients: [], granted: [], used: [], parents: [], keys: [], requests: [] },
      ...{ countries: [], networks: [], tokens: [], checksums: [], registrations: [] },
    }
  })
  const table = { name: watch, signals: [], action: 'alert', duration: 1, atMost: 0 }
  const acts = { retention: 1, maxBytes: 1, maxRows: 1 }
  const terms = { prefix: '/.edgewarden', maxRows: 1_000_000, watch: { rules: [table], acts } }
  await setting.gate.call('AGENTS', 'registry', 'observe', sightings, terms)
}
