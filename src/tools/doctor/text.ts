import { cut } from '../../core/text.ts'
import { columns } from '../cli/columns.ts'
import { counted } from '../cli/file-policy.ts'
import type { Finding } from './facts.ts'
import { documentOf, type Facts } from './facts.ts'
import { faultText, issuerDifference, shown } from './faults.ts'
import type { Ignored, KeyFact } from './keys.ts'
import { tableText } from './profile.ts'

/** Characters of a cell, and of a header's value. */
const CELL = 64
const VALUE = 200

const WHY: Readonly<Record<Ignored, string>> = {
  no_object: 'ignored: no JWK',
  private: 'IGNORED: PRIVATE KEY',
  kid_unusable: 'ignored: kid',
  not_for_signatures: 'ignored: not for signatures',
  unknown_type: 'ignored: unknown kty',
  unknown_algorithm: 'ignored: unknown alg',
  not_allowed: 'ignored: not allowed',
  weak_rsa: 'ignored: too small',
  malformed: 'ignored: malformed',
  unsupported: 'ignored: not in this runtime',
  invalid: 'ignored: not a key',
  repeated: 'the same key again',
  other_tenant: 'marked as the key of another tenant',
  same_kid: 'REFUSED: kid twice',
  no_kid: 'REFUSED: no kid, several keys',
}

/** The report for people; what was found wrong is not in it. */
export function reportLines(
  facts: Facts,
  table: Readonly<Record<string, unknown>> | null,
  name: string,
) {
  return [
    `Issuer ${facts.target.issuer.issuer}`,
    ...discoveryLines(facts),
    ...keyLines(facts),
    ...cachingLines(facts),
    ...clockLines(facts),
    ...profileLines(facts),
    ...(table === null ? [] : ['', ...tableText(name, table)]),
  ]
}

const section = (title: string, lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]

const discoveryLines = ({ gathered, target }: Facts): readonly string[] => {
  const { metadata, discovered } = gathered
  const rows = metadata.map((asked) => {
    const document = documentOf(asked)
    const found =
      document === undefined
        ? (faultText(asked, target) ?? '')
        : issuerDifference(document, target.issuer.issuer) === undefined
          ? 'status 200, issuer equal'
          : 'status 200, ANOTHER ISSUER'
    return [asked.url, found]
  })
  const uri = discovered?.ok ? [`jwks_uri ${shown(discovered.value.uri).slice(1, -1)}`] : []
  return section(
    'Discovery',
    discovered ? [...columns(rows), ...uri] : ['not asked: the entry says where the keys are'],
  )
}

const keyLines = ({ keys, gathered, target }: Facts): readonly string[] => {
  const place = gathered.keySet ? ` at ${shown(gathered.keySet.url).slice(1, -1)}` : ''
  if (!keys) {
    const fault = gathered.keySet && faultText(gathered.keySet, target)
    return section(`Keys${place}`, fault === undefined ? [] : [fault])
  }
  const rows = keys.entries.map((key) => [
    cell(key.kid),
    [key.kty, key.crv]
      .map((one) => one && cell(one))
      .filter(Boolean)
      .join(' ') || '-',
    key.bits === undefined ? '-' : String(key.bits),
    cell(key.alg),
    cell(key.use),
    verdict(key),
  ])
  return section(`Keys${place}`, [
    ...columns([['KID', 'TYPE', 'BITS', 'ALG', 'USE', 'VERIFIES'], ...rows]),
    `${counted(keys.usable, 'usable key')}${keys.beyond > 0 ? `, ${keys.beyond} more never looked at` : ''}`,
  ])
}

const verdict = ({ verifies, ignored, would }: KeyFact): string =>
  verifies ??
  (ignored === 'not_allowed' && would
    ? `ignored: ${would} not allowed`
    : WHY[ignored ?? 'malformed'])

const cell = (text: string | undefined): string => (text === undefined ? '-' : cut(text, CELL))

const cachingLines = ({ caching, target }: Facts): readonly string[] => {
  if (!caching) return []
  const { headers, fresh, revalidates, changed } = caching
  const sent = (['cache-control', 'expires', 'age', 'etag', 'last-modified'] as const).flatMap(
    (name) => (headers[name] === undefined ? [] : `${name}: ${cut(headers[name], VALUE)}`),
  )
  const none = 'nothing sent: no Cache-Control, Expires, ETag or Last-Modified'
  const again = `; asked again with its ETag: ${revalidates ? '' : 'no '}304`
  const cooldown = spanText(target.issuer.keyTimes.cooldown / 1000)
  return section('Caching and rotation', [
    ...(sent.length > 0 ? sent : [none]),
    `kept as fresh for ${spanText(fresh)}, renewed from ${spanText(fresh / 2)} on${revalidates === undefined ? '' : again}`,
    `a new key is used with the first token that names it (one question each ${cooldown}); a withdrawn one ends within ${spanText(fresh)}`,
    changed === undefined
      ? 'how old the keys are is not told (no Last-Modified)'
      : `the set was last changed ${agoText(changed)} ago`,
  ])
}

const clockLines = ({ clock }: Facts): readonly string[] =>
  section('Clock', [
    clock === undefined
      ? 'not told: no Date header'
      : clock.ahead === 0
        ? `as this machine's, within ${clock.within} s`
        : `${Math.abs(clock.ahead)} s ${clock.ahead > 0 ? 'ahead of' : 'behind'} this machine's, or more`,
  ])

const profileLines = ({ profile, guess, target, token }: Facts): readonly string[] => {
  const given = target.isProfileGiven || target.table !== null
  const by =
    guess.profile === undefined ? guess.by : `by ${guess.by} this is an issuer of ${guess.profile}`
  const chosen = token ? ', by the sample token' : ', the default'
  const source = given ? ', as configured' : guess.profile === undefined ? chosen : ''
  const sample = token && [
    `sample token: typ ${cell(token.typ ?? undefined)}, alg ${cell(token.alg ?? undefined)}, kid ${cell(token.kid ?? undefined)}; ${
      token.denial ? `refused (${token.denial.code})` : 'passes, as of when it was issued'
    }; audience and revocation are not judged`,
  ]
  return section('Profile', [`${profile}${source}: ${by}`, ...(sample ?? [])])
}

/** Findings for people, each with what to do. */
export function findingLines(findings: readonly Finding[]): readonly string[] {
  return findings.flatMap(({ level, message, mend }) => [
    `${LABELS[level]}: ${message}`,
    ...(mend === '' ? [] : [`  What to do: ${mend}`]),
  ])
}

const LABELS = { wrong: 'Problem', unsure: 'Cannot tell', warning: 'Warning' } as const

const UNITS = [
  [3600, 'h'],
  [60, 'm'],
  [1, 's'],
] as const

/** Seconds, in hours, minutes and seconds. */
const spanText = (seconds: number): string => {
  let rest = Math.round(seconds)
  const parts = UNITS.flatMap(([size, unit]) => {
    const count = Math.floor(rest / size)
    rest %= size
    return count > 0 ? [`${count}${unit}`] : []
  })
  return parts.join(' ') || '0s'
}

/** Seconds, roughly. */
const agoText = (seconds: number): string => {
  const hours = seconds / 3600
  if (hours >= 48) return counted(Math.floor(hours / 24), 'day')
  return hours >= 2
    ? counted(Math.floor(hours), 'hour')
    : counted(Math.floor(seconds / 60), 'minute')
}
