import { type Issuer, SIGNALS, type Transmitter } from '../../model/issuer.ts'
import type { PolicyEnv } from '../reading/env.ts'
import { nameText, urlField, type WrittenUrl, word } from '../reading/fields.ts'
import { quote, type Report } from '../reading/issues.ts'
import { type KeyDocs, list, type Readable, required, table } from '../reading/table.ts'
import { secretName } from './decrypt.ts'
import { REDACTED, type Shown } from './show-parts.ts'

export const EVENTS_KEYS = {
  issuer: required(urlField({ http: 'any' })),
  audience: required(nameText),
  authorization: required(secretName),
  jwks_uri: required(urlField({ http: 'any', query: true })),
  accept: list(word(SIGNALS)),
}

export const EVENTS_DOCS: KeyDocs<typeof EVENTS_KEYS> = {
  issuer: {
    description: 'The `iss` of the events, compared exactly.',
    example: 'https://idp.acme.example',
  },
  audience: {
    description: 'The `aud` of the events, or one of them, compared exactly.',
    example: 'https://api.example.com',
  },
  authorization: {
    description:
      'Name of the secret with the exact `Authorization` header that the transmitter sends, of at least 20 characters.',
    example: 'IDP_EVENTS',
  },
  jwks_uri: {
    description: 'The address of the keys that sign the events.',
    example: 'https://idp.acme.example/keys',
  },
  accept: {
    description: 'The events that the transmitter may send, beside `verification`.',
    default: SIGNALS,
    example: ['account-disabled', 'account-enabled'],
  },
}

/** The field `events`: who sends security events about subjects of the issuer. */
export const eventsField = list(table(EVENTS_KEYS))

/** Fewest characters of an `Authorization` header that identifies a transmitter. */
const LEAST_SECRET = 20

/** Reports keys at an address that is not fetched, and two transmitters with one `issuer`. */
export function checkEvents(
  entries: readonly Readable<typeof EVENTS_KEYS>[],
  checkUrl: (written: WrittenUrl | undefined, path: readonly (string | number)[]) => void,
  report: Report,
): void {
  for (const [i, { issuer, jwks_uri }] of entries.entries()) {
    checkUrl(jwks_uri, [i, 'jwks_uri'])
    const isAgain = entries.slice(0, i).some((one) => one.issuer?.text === issuer?.text)
    if (issuer && isAgain) report([i, 'issuer'], 'is also that of an earlier transmitter')
  }
}

/** The transmitters of an issuer. Reports secrets that are missing or too short. */
export function transmittersOf(
  entries: readonly Readable<typeof EVENTS_KEYS>[],
  of: Issuer,
  env: PolicyEnv,
  report: Report,
): readonly Transmitter[] {
  return entries.flatMap(({ issuer, audience, authorization, jwks_uri, accept = SIGNALS }, i) => {
    if (!issuer || audience === undefined || authorization === undefined || !jwks_uri) return []
    const path = [i, 'authorization']
    const value = env.secret(authorization)
    if (!env.has('secret', authorization)) {
      report(path, `needs the secret ${quote(authorization)}, which is not set`)
    } else if (value !== undefined && value.length < LEAST_SECRET) {
      report(path, `must name a secret of at least ${LEAST_SECRET} characters`)
    }
    return {
      source: { ...of, issuer: issuer.text, keys: { kind: 'uri', uri: jwks_uri.text } as const },
      audience,
      secret: authorization,
      ...(value !== undefined && { authorization: value }),
      accept: new Set(accept),
    }
  })
}

/** A transmitter in the words of the configuration. */
export function showTransmitter({ source, audience, secret, accept }: Transmitter): Shown {
  const { issuer, keys } = source
  const uri = keys.kind === 'uri' ? keys.uri.replace(/\?.*$/s, `?${REDACTED}`) : undefined
  return { issuer, audience, authorization: secret, jwks_uri: uri, accept: [...accept] }
}
