import { isObject, own } from '../../base/json.ts'
import type { KeyTimes } from '../../model/issuer.ts'
import { milliseconds } from '../reading/fields.ts'
import type { Report } from '../reading/issues.ts'
import { kept, keptOf } from '../reading/kept.ts'
import { type ComparedDocs, type Readable, readField, table } from '../reading/table.ts'
import { millisecondsText, showing } from './show-parts.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

export const DEFAULT_KEY_TIMES: KeyTimes = Object.freeze({
  maxFresh: HOUR,
  staleIfError: 24 * HOUR,
  cooldown: 30_000,
})

const shown = showing<KeyTimes>()

export const KEY_TIMES_KEYS = {
  max_fresh: shown(
    kept(milliseconds({ least: 1_000, most: 24 * HOUR }), DEFAULT_KEY_TIMES.maxFresh),
    ({ maxFresh }) => millisecondsText(maxFresh),
  ),
  stale_if_error: shown(
    kept(milliseconds({ least: 0, most: 24 * HOUR }), DEFAULT_KEY_TIMES.staleIfError),
    ({ staleIfError }) => millisecondsText(staleIfError),
  ),
  cooldown: shown(
    kept(milliseconds({ least: 1_000, most: 10 * MINUTE }), DEFAULT_KEY_TIMES.cooldown),
    ({ cooldown }) => millisecondsText(cooldown),
  ),
}

export const KEY_TIMES_DOCS: ComparedDocs<typeof KEY_TIMES_KEYS> = {
  max_fresh: {
    description:
      "Longest time that fetched keys are fresh, whatever the issuer's `Cache-Control` says: 1m to 24h.",
    default: '1h',
    example: '10m',
    compare: 'larger',
  },
  stale_if_error: {
    description:
      'How long keys are still used while the issuer cannot be reached: up to 24h. `"0s"` turns it off.',
    default: '24h',
    example: '1h',
    compare: 'larger',
  },
  cooldown: {
    description: 'Shortest time between two fetches for an unknown `kid`: 10s to 10m.',
    default: '30s',
    example: '1m',
    compare: 'neutral',
  },
}

/** The field `jwks_cache`: how long keys are used, and how often unknown ones may cause a fetch. */
export const keyTimesField = table(KEY_TIMES_KEYS)

/** Least times for an issuer on the network, in milliseconds. */
const LEAST = [
  ['max_fresh', MINUTE, '1m'],
  ['cooldown', 10_000, '10s'],
] as const

/**
 * Reports times that are too short for an issuer on the network, even if other keys of the table are wrong. Does not
 * repeat the reports of {@link keyTimesField}.
 */
export function checkKeyTimes(written: unknown, report: Report): void {
  if (!isObject(written)) return
  for (const [name, least, said] of LEAST) {
    const time = readField(KEY_TIMES_KEYS[name], own(written, name), () => {})
    if (time !== undefined && time < least) {
      report([name], `must be at least ${said}, unless allow_insecure_http is set`)
    }
  }
}

/** The configured times, with defaults. */
export function keyTimesOf(entry: Readable<typeof KEY_TIMES_KEYS> = {}): KeyTimes {
  return Object.freeze(keptOf(KEY_TIMES_KEYS, entry))
}
