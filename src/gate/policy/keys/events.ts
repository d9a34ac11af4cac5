import { type HeaderSecret, type Issuer, SIGNALS, type Transmitter } from '../../model/issuer.ts'
import type { PolicyEnv } from '../reading/env.ts'
import { nameText, urlField, type WrittenUrl, word } from '../reading/fields.ts'
import { quote, type Report } from '../reading/issues.ts'
import { type KeyDocs, list, type Readable, required, table } from '../reading/table.ts'
import { secretName } from './decrypt.ts'
import { effectsField, effectsOf } from './effects.ts'
import { REDACTED, type Shown } from './show-parts.ts'

export const POLL_KEYS = {
  endpoint: required(urlField({ http: 'any', query: true })),
  authorization: required(secretName),
}

export const POLL_DOCS: KeyDocs<typeof POLL_KEYS> = {
  endpoint: {
    description: "The transmitter's address for polls (RFC 8936). Redirects are not followed.",
    example: 'https://idp.acme.example/poll',
  },
  authorization: {
    description:
      'Name of the secret with the exact `Authorization` header that the gate sends there, of at least 20 characters.',
    example: 'IDP_POLL',
  },
}

export const EVENTS_KEYS = {
  issuer: required(urlField({ http: 'any' })),
  audience: required(nameText),
  authorization: secretName,
  poll: table(POLL_KEYS),
  jwks_uri: required(urlField({ http: 'any', query: true })),
  accept: list(word(SIGNALS)),
  effects: effectsField,
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
    unset: 'it sends none: `poll` is needed',
    example: 'IDP_EVENTS',
  },
  poll: {
    description:
      'Where the gate [asks for events](events.md#poll): [a table](configuration/issuers.md#keys-of-poll).',
    unset: 'the gate does not ask',
    example: { endpoint: 'https://idp.acme.example/poll', authorization: 'IDP_POLL' },
  },
  jwks_uri: {
    description: 'The address of the keys that sign the events.',
    example: 'https://idp.acme.example/keys',
  },
  accept: {
    description:
      'The events that the transmitter may send, beside `verification` and `stream-updated`.',
    unset: 'all of [`effects`](#keys-of-effects)',
    example: ['account-disabled', 'account-enabled'],
  },
  effects: {
    description: 'What each event does: [a table](configuration/issuers.md#keys-of-effects).',
    unset: 'the defaults of the table',
    example: { 'session-revoked': 'step-up' },
  },
}

/** The field `events`: who sends security events about subjects of the issuer. */
export const eventsField = list(table(EVENTS_KEYS))

/** Fewest characters of an `Authorization` header that identifies a transmitter. */
const LEAST_SECRET = 20
/** A header's value as `fetch` takes it. */
const HEADER = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/

/** Reports keys and polls at an address that is not asked, two transmitters with one `issuer`, and one that never sends. */
export function checkEvents(
  entries: readonly Readable<typeof EVENTS_KEYS>[],
  checkUrl: (written: WrittenUrl | undefined, path: readonly (string | number)[]) => void,
  report: Report,
): void {
  for (const [i, { issuer, jwks_uri, poll, authorization }] of entries.entries()) {
    checkUrl(jwks_uri, ['events', i, 'jwks_uri'])
    checkUrl(poll?.endpoint, ['events', i, 'poll', 'endpoint'])
    const isAgain = entries.slice(0, i).some((one) => one.issuer?.text === issuer?.text)
    if (issuer && isAgain) report([i, 'issuer'], 'is also that of an earlier transmitter')
    if (authorization === undefined && !poll) {
      report([i, 'authorization'], 'is missing: set it for events that are sent, or set `poll`')
    }
  }
}

/** The secret with an `Authorization` header, if its value is known. Reports one that is missing, too short, or no header. */
export function checkHeaderSecret(
  name: string,
  env: PolicyEnv,
  report: Report,
): string | undefined {
  const value = env.secret(name)
  if (!env.has('secret', name)) report([], `needs the secret ${quote(name)}, which is not set`)
  else if (value !== undefined && (value.length < LEAST_SECRET || !HEADER.test(value))) {
    report([], `must name a secret of at least ${LEAST_SECRET} characters, without line breaks`)
  }
  return value
}

/** The transmitters of an issuer. Reports secrets that are missing, too short, or no header. */
export function transmittersOf(
  entries: readonly Readable<typeof EVENTS_KEYS>[],
  of: Issuer,
  env: PolicyEnv,
  report: Report,
): readonly Transmitter[] {
  const secretOf = (secret: string, path: readonly (string | number)[]): HeaderSecret => {
    const value = checkHeaderSecret(secret, env, (_, message) => report(path, message))
    return { secret, ...(value !== undefined && { authorization: value }) }
  }
  return entries.flatMap(
    ({ issuer, audience, authorization, poll, jwks_uri, accept = SIGNALS, effects }, i) => {
      if (!issuer || audience === undefined || !jwks_uri) return []
      const { endpoint, authorization: by } = poll ?? {}
      return {
        source: { ...of, issuer: issuer.text, keys: { kind: 'uri', uri: jwks_uri.text } as const },
        audience,
        ...(authorization !== undefined && { push: secretOf(authorization, [i, 'authorization']) }),
        ...(endpoint &&
          by !== undefined && {
            poll: { endpoint: endpoint.text, ...secretOf(by, [i, 'poll', 'authorization']) },
          }),
        accept: new Set(accept),
        effects: effectsOf(effects),
      }
    },
  )
}

/** A transmitter in the words of the configuration. */
export function showTransmitter({
  source,
  audience,
  push,
  poll,
  accept,
  effects,
}: Transmitter): Shown {
  const { issuer, keys } = source
  const uri = keys.kind === 'uri' ? withoutQuery(keys.uri) : undefined
  const asked = poll && { endpoint: withoutQuery(poll.endpoint), authorization: poll.secret }
  return {
    ...{ issuer, audience, authorization: push?.secret, poll: asked },
    ...{ jwks_uri: uri, accept: [...accept], effects },
  }
}

const withoutQuery = (url: string): string => url.replace(/\?.*$/s, `?${REDACTED}`)
