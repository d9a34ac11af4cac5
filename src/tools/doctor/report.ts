import { own, ownText } from '../../core/json.ts'
import { cut } from '../../core/text.ts'
import { counted } from '../cli/file-policy.ts'
import { columns, EXIT, type ExitCode } from '../cli/output.ts'
import type { Finding } from './checks.ts'
import { documentOf, type Facts, PROOFS } from './facts.ts'
import { faultText, issuerDifference, shown } from './faults.ts'
import type { Asked } from './gather.ts'
import { IGNORED, type KeyFact } from './keys.ts'

/** The most characters of a remote text in JSON, of a header, and of a table cell. */
const TEXT = 256
const VALUE = 200
const CELL = 64

const textOf = (text: string | undefined | null): string | null => text?.slice(0, TEXT) ?? null

/** The report for a refused address, which is not fetched. */
export function refusedJson(issuer: string, findings: readonly Finding[]) {
  return {
    healthy: false,
    issuer,
    table: null,
    allow_insecure_http: false,
    discovery: { documents: [], jwks_uri: null },
    keys: { document: null, entries: [], beyond: 0, usable: 0 },
    caching: null,
    clock: null,
    profile: null,
    toml: null,
    token: null,
    ...findingsJson(findings),
  }
}

/** The report as JSON; unknown members are `null`. `toml` is the table to paste. */
export function reportJson(
  facts: Facts,
  findings: readonly Finding[],
  exitCode: ExitCode,
  toml: readonly string[],
) {
  const { target, gathered, keys, clock, profile, guess, token } = facts
  return {
    ...refusedJson(target.issuer.issuer, findings),
    healthy: exitCode === EXIT.yes,
    ...(exitCode === EXIT.unknown && { error: 'The issuer did not answer; problems say where.' }),
    table: target.table,
    allow_insecure_http: target.issuer.allowInsecureHttp,
    discovery: {
      documents: gathered.metadata.map((asked) => ({
        ...documentJson(asked, facts),
        issuer: textOf(ownText(documentOf(asked) ?? {}, 'issuer')),
      })),
      jwks_uri: gathered.discovered?.ok ? textOf(gathered.discovered.value.uri) : null,
    },
    keys: {
      document: gathered.keySet ? documentJson(gathered.keySet, facts) : null,
      entries: (keys?.entries ?? []).map((key) => ({
        kid: textOf(key.kid),
        kty: textOf(key.kty),
        crv: textOf(key.crv),
        alg: textOf(key.alg),
        use: textOf(key.use),
        bits: key.bits ?? null,
        verifies: key.verifies ?? null,
        ignored: key.ignored ?? null,
      })),
      beyond: keys?.beyond ?? 0,
      usable: keys?.usable ?? 0,
    },
    caching: cachingJson(facts),
    clock: clock ? { ahead_seconds: clock.ahead, within_seconds: clock.within } : null,
    profile: { name: profile, guess: guess.profile ?? null, by: guess.by },
    toml: toml.length > 0 ? `${toml.join('\n')}\n` : null,
    token: token
      ? {
          ...token,
          typ: textOf(token.typ),
          alg: textOf(token.alg),
          kid: textOf(token.kid),
          denial: token.denial ?? null,
        }
      : null,
  }
}

/** The findings as members of a JSON report. */
export function findingsJson(findings: readonly Finding[]) {
  return {
    problems: findings.flatMap(({ level, ...rest }) =>
      level === 'warning' ? [] : [{ ...rest, certain: level === 'wrong' }],
    ),
    warnings: findings.flatMap(({ level, ...rest }) => (level === 'warning' ? [rest] : [])),
  }
}

const documentJson = (asked: Asked, { target }: Facts) => ({
  url: textOf(asked.url),
  status: asked.exchanges.at(-1)?.status ?? null,
  fault: faultText(asked, target) ?? null,
})

const cachingJson = ({ caching, target }: Facts) => {
  if (!caching) return null
  const { headers, maxAge, fresh, changed, revalidates } = caching
  return {
    cache_control: textOf(headers['cache-control']),
    expires: textOf(headers.expires),
    age: textOf(headers.age),
    etag: textOf(headers.etag),
    last_modified: textOf(headers['last-modified']),
    changed_seconds_ago: changed ?? null,
    max_age_seconds: maxAge ?? null,
    fresh_seconds: fresh,
    cooldown_seconds: target.issuer.keyTimes.cooldown / 1000,
    revalidates: revalidates ?? null,
  }
}

/** The report as text, without findings. */
export function reportLines(facts: Facts, toml: readonly string[]): readonly string[] {
  return [
    `Issuer ${facts.target.issuer.issuer}`,
    ...discoveryLines(facts),
    ...keyLines(facts),
    ...cachingLines(facts),
    ...section('Clock', [clockText(facts)]),
    ...profileLines(facts),
    ...(toml.length > 0 ? ['', ...toml] : []),
  ]
}

/** A part of the text: a title above indented lines. Nothing without lines. */
export function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]
}

const discoveryLines = ({ metadata: found, gathered: { metadata, discovered }, target }: Facts) => {
  if (!discovered) return section('Discovery', ['not asked: the entry says where the keys are'])
  const rows = metadata.map((asked) => {
    const document = documentOf(asked)
    if (!document) return [asked.url, faultText(asked, target) ?? '']
    const isSame = issuerDifference(document, target.issuer.issuer) === undefined
    return [asked.url, isSame ? 'status 200, issuer equal' : 'status 200, ANOTHER ISSUER']
  })
  const uri = discovered.ok ? [`jwks_uri ${shown(discovered.value.uri).slice(1, -1)}`] : []
  const proofs = own(found, PROOFS)
  const dpop = Array.isArray(proofs) ? [`DPoP proofs ${shown(proofs.join(' ')).slice(1, -1)}`] : []
  return section('Discovery', [...columns(rows), ...uri, ...dpop])
}

const cell = (text: string | undefined | null): string => cut(text ?? '-', CELL)

const keyLines = ({ keys, gathered: { keySet }, target }: Facts) => {
  const title = `Keys${keySet ? ` at ${shown(keySet.url).slice(1, -1)}` : ''}`
  if (!keys) {
    const fault = keySet && faultText(keySet, target)
    return section(title, fault === undefined ? [] : [fault])
  }
  const rows = keys.entries.map((key) => [
    cell(key.kid),
    [key.kty, key.crv].flatMap((one) => (one ? cell(one) : [])).join(' ') || '-',
    cell(key.bits?.toString()),
    cell(key.alg),
    cell(key.use),
    verdictText(key),
  ])
  return section(title, [
    ...columns([['KID', 'TYPE', 'BITS', 'ALG', 'USE', 'VERIFIES'], ...rows]),
    `${counted(keys.usable, 'usable key')}${keys.beyond > 0 ? `, ${keys.beyond} more never looked at` : ''}`,
  ])
}

const verdictText = ({ verifies, ignored = 'malformed', would }: KeyFact): string => {
  if (verifies) return verifies
  return ignored === 'not_allowed' && would
    ? `ignored: ${would} not allowed`
    : IGNORED[ignored].cell
}

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

const clockText = ({ clock }: Facts): string => {
  if (!clock) return 'not told: no Date header'
  const { ahead, within } = clock
  return ahead === 0
    ? `as this machine's, within ${within} s`
    : `${Math.abs(ahead)} s ${ahead > 0 ? 'ahead of' : 'behind'} this machine's, or more`
}

const profileLines = ({ profile, guess, target, token }: Facts): readonly string[] => {
  const isGiven = target.isProfileGiven || target.table !== null
  const isGuessed = guess.profile !== undefined
  const by = isGuessed ? `by ${guess.by} this is an issuer of ${guess.profile}` : guess.by
  const chosen = token ? ', by the sample token' : ', the default'
  const source = isGiven ? ', as configured' : isGuessed ? '' : chosen
  const lines = [`${profile}${source}: ${by}`]
  if (token) {
    const { typ, alg, kid, denial } = token
    const end = denial ? `refused (${denial.code})` : 'passes, as of when it was issued'
    lines.push(
      `sample token: typ ${cell(typ)}, alg ${cell(alg)}, kid ${cell(kid)}; ${end}; audience and revocation are not judged`,
    )
  }
  return section('Profile', lines)
}

/** The findings as text, each with its fix. */
export function findingLines(findings: readonly Finding[]): readonly string[] {
  return findings.flatMap(({ level, message, fix }) => [
    `${LABELS[level]}: ${message}`,
    ...(fix === '' ? [] : [`  What to do: ${fix}`]),
  ])
}

/** What the findings come to: the exit status, and the last line of the text. */
export function verdictOf(
  findings: readonly Finding[],
  { silent, good }: { readonly silent: string; readonly good: string },
): { readonly exitCode: ExitCode; readonly summary: string } {
  const count = (of: Finding['level']) => findings.filter(({ level }) => level === of).length
  const [problems, warnings] = [count('wrong'), count('warning')]
  const also = warnings > 0 ? `, ${counted(warnings, 'warning')}` : ''
  if (problems > 0) {
    return { exitCode: EXIT.no, summary: `Not in order: ${counted(problems, 'problem')}${also}` }
  }
  return count('unsure') > 0
    ? { exitCode: EXIT.unknown, summary: `Cannot tell: ${silent}${also}` }
    : { exitCode: EXIT.yes, summary: `In order: ${good}${also}` }
}

const LABELS = { wrong: 'Problem', unsure: 'Cannot tell', warning: 'Warning' } as const

const UNITS = [
  [3600, 'h'],
  [60, 'm'],
  [1, 's'],
] as const

/** Formats seconds as hours, minutes and seconds. */
const spanText = (seconds: number): string => {
  let rest = Math.round(seconds)
  const parts = UNITS.flatMap(([size, unit]) => {
    const count = Math.floor(rest / size)
    rest %= size
    return count > 0 ? [`${count}${unit}`] : []
  })
  return parts.join(' ') || '0s'
}

/** Formats seconds roughly. */
const agoText = (seconds: number): string => {
  const hours = seconds / 3600
  if (hours >= 48) return counted(Math.floor(hours / 24), 'day')
  return hours >= 2
    ? counted(Math.floor(hours), 'hour')
    : counted(Math.floor(seconds / 60), 'minute')
}
