import { durationText } from '../../gate/base/duration.ts'
import { own, ownText } from '../../gate/base/json.ts'
import { cut } from '../../gate/base/text.ts'
import { counted } from '../base/file-policy.ts'
import { columns, EXIT, type ExitCode } from '../base/output.ts'
import type { Finding } from './checks.ts'
import { documentOf, type Facts, PROOFS } from './facts.ts'
import { faultText, issuerDifference, shown, textOf } from './faults.ts'
import type { Asked } from './gather.ts'
import { IGNORED, type KeyFact } from './keys.ts'

/** The most characters of a header, and of a table cell. */
const VALUE = 200
const CELL = 64

/** The members of an unknown entry of a key set. */
const NO_KEY = {
  ...{ kid: null, kty: null, crv: null, alg: null, use: null, bits: null },
  ...{ verifies: null, ignored: null },
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
    healthy: exitCode === EXIT.yes,
    issuer: target.issuer.issuer,
    ...(exitCode === EXIT.unknown && { error: 'The issuer did not answer; problems say where.' }),
    table: target.table,
    allow_insecure_http: target.issuer.allowInsecureHttp,
    discovery: {
      documents: gathered.metadata.map((asked) => ({
        ...documentJson(asked),
        issuer: textOf(ownText(documentOf(asked) ?? {}, 'issuer')),
      })),
      jwks_uri: gathered.discovered?.ok ? textOf(gathered.discovered.value.uri) : null,
    },
    keys: {
      document: gathered.keySet ? documentJson(gathered.keySet) : null,
      entries: (keys?.entries ?? []).map(({ place: _, would: __, ...key }) => ({
        ...NO_KEY,
        ...key,
      })),
      beyond: keys?.beyond ?? 0,
      usable: keys?.usable ?? 0,
    },
    caching: cachingJson(facts),
    clock: clock ? { ahead_seconds: clock.ahead, within_seconds: clock.within } : null,
    profile: { name: profile, guess: guess.profile ?? null, by: guess.by },
    toml: toml.length > 0 ? `${toml.join('\n')}\n` : null,
    token: token ?? null,
    ...findingsJson(findings),
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

const documentJson = (asked: Asked) => ({
  url: textOf(asked.url),
  status: asked.exchanges.at(-1)?.status ?? null,
  fault: faultText(asked) ?? null,
})

const cachingJson = ({ caching, target }: Facts) => {
  if (!caching) return null
  const { headers, maxAge, fresh } = caching
  return {
    cache_control: textOf(headers['cache-control']),
    expires: textOf(headers.expires),
    age: textOf(headers.age),
    etag: textOf(headers.etag),
    last_modified: textOf(headers['last-modified']),
    max_age_seconds: maxAge ?? null,
    fresh_seconds: fresh,
    cooldown_seconds: target.issuer.keyTimes.cooldown / 1000,
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
    if (!document) return [asked.url, faultText(asked) ?? '']
    const isSame = issuerDifference(document, target.issuer.issuer) === undefined
    return [asked.url, isSame ? 'status 200, issuer equal' : 'status 200, ANOTHER ISSUER']
  })
  const uri = discovered.ok ? [`jwks_uri ${shown(discovered.value.uri).slice(1, -1)}`] : []
  const proofs = own(found, PROOFS)
  const dpop = Array.isArray(proofs) ? [`DPoP proofs ${shown(proofs.join(' ')).slice(1, -1)}`] : []
  return section('Discovery', [...columns(rows), ...uri, ...dpop])
}

const cell = (text: string | undefined | null): string => cut(text ?? '-', CELL)

const keyLines = ({ keys, gathered: { keySet } }: Facts) => {
  const title = `Keys${keySet ? ` at ${shown(keySet.url).slice(1, -1)}` : ''}`
  if (!keys) {
    const fault = keySet && faultText(keySet)
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
    `${counted(keys.usable, 'usable key')}${keys.beyond > 0 ? `, ${keys.beyond} more not read` : ''}`,
  ])
}

const verdictText = ({ verifies, ignored = 'malformed', would }: KeyFact): string => {
  if (verifies) return verifies
  return ignored === 'not_allowed' && would ? `ignored: ${would} not allowed` : IGNORED[ignored]
}

const cachingLines = ({ caching, target }: Facts): readonly string[] => {
  if (!caching) return []
  const { headers, fresh } = caching
  const sent = (['cache-control', 'expires', 'age', 'etag', 'last-modified'] as const).flatMap(
    (name) => (headers[name] === undefined ? [] : `${name}: ${cut(headers[name], VALUE)}`),
  )
  const none = 'nothing sent: no Cache-Control, Expires, ETag or Last-Modified'
  const cooldown = durationText(target.issuer.keyTimes.cooldown / 1000)
  return section('Caching and rotation', [
    ...(sent.length > 0 ? sent : [none]),
    `kept as fresh for ${durationText(fresh)}, renewed from ${durationText(fresh / 2)} on`,
    `a new key is used with the first token that names it (at most one fetch each ${cooldown}); a withdrawn one ends within ${durationText(fresh)}`,
  ])
}

const clockText = ({ clock }: Facts): string => {
  if (!clock) return 'unknown: no Date header'
  const { ahead, within } = clock
  return ahead === 0
    ? `as the clock of this machine, within ${within} s`
    : `${Math.abs(ahead)} s ${ahead > 0 ? 'ahead of' : 'behind'} the clock of this machine, or more`
}

const profileLines = ({ profile, guess, target, token }: Facts): readonly string[] => {
  const isGuessed = guess.profile !== undefined
  const by = isGuessed ? `by ${guess.by} this is an issuer of ${guess.profile}` : guess.by
  const chosen = token ? ', by the sample token' : ', the default'
  const source = target.isProfileGiven ? ', as configured' : isGuessed ? '' : chosen
  const lines = [`${profile}${source}: ${by}`]
  if (token) {
    const { typ, alg, kid, denial } = token
    const end = denial ? `refused (${denial.code})` : 'passes, at its time of issue'
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

/** The exit status for the findings, and the last line of the text. */
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
