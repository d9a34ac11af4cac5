import type { Setting } from './setting.ts'

const HOUR = 3_600_000

/** What an agent did in the last weeks. */
interface Past {
  /** Every signal learns for two weeks at most; five weeks unless given. */
  readonly days?: number
  readonly rule?: string
  /** The requests of each minute of an hour in which it sends some. */
  readonly minutes?: Readonly<Record<number, number>>
  /** The hours of a UTC day in which it works. */
  readonly works?: (hour: number) => boolean
  /** Laid over each sighting. */
  readonly more?: object
}

/** Weeks in which an agent calls one rule, as the audit tells the registry. */
export async function learned(
  setting: Pick<Setting, 'gate' | 'issuer'>,
  agent: string,
  watch: string,
  { days = 35, rule = 'GET /v1/{name}', minutes = { 0: 3 }, works = () => true, more }: Past = {},
): Promise<void> {
  const now = Math.floor(Date.now() / HOUR) * HOUR
  const hours = Array.from({ length: days * 24 }, (_, i) => now - (days * 24 - i) * HOUR)
  const sightings = hours
    .filter((hour) => works((hour / HOUR) % 24))
    .flatMap((hour) =>
      Object.entries(minutes).map(([minute, allowed]) =>
        sightingOf(setting, agent, watch, hour + Number(minute) * 60_000, {
          allowed,
          uses: [JSON.stringify([rule])],
          ...more,
        }),
      ),
    )
  await tell(setting, watch, sightings)
}

/** A sighting of an agent, with these members laid over it. */
export const sightingOf = (
  setting: Pick<Setting, 'issuer'>,
  agent: string,
  watch: string,
  at: number,
  more: object = {},
) => ({
  issuer: setting.issuer.issuer,
  agent,
  watch,
  ...{ first: at, last: at, allowed: 3, probes: 0, uses: [] },
  ...{ types: [], clients: [], granted: [], used: [], parents: [], keys: [], requests: [] },
  ...{ countries: [], networks: [], tokens: [], checksums: [], registrations: [] },
  ...more,
})

/** Tells the registry what was seen, under a table that raises no alert. */
export async function tell(
  setting: Pick<Setting, 'gate'>,
  watch: string,
  sightings: readonly object[],
): Promise<void> {
  const table = { name: watch, signals: [], action: 'alert', duration: 1, atMost: 0 }
  const acts = { retention: 1, maxBytes: 1, maxRows: 1 }
  const terms = { prefix: '/.edgewarden', maxRows: 1_000_000, watch: { rules: [table], acts } }
  await setting.gate.call('AGENTS', 'registry', 'observe', sightings, terms)
}
