import { type JsonObject, ownText } from '../../core/json.ts'
import { EXIT, type ExitCode } from '../cli/output.ts'
import type { Finding } from './facts.ts'
import { documentOf, type Facts } from './facts.ts'
import { faultText } from './faults.ts'
import type { Asked } from './gather.ts'
import { tableText } from './profile.ts'

/** Characters of a remote text. */
const TEXT = 256

const cut = (text: string | undefined | null): string | null =>
  text === undefined || text === null ? null : text.slice(0, TEXT)

interface Verdict {
  readonly exitCode: ExitCode
  /** Of the table. */
  readonly name: string
  readonly table: JsonObject | null
}

/** The report for programs: every member is always there, `null` where nothing is known. */
export function jsonOf(
  facts: Facts,
  findings: readonly Finding[],
  { exitCode, name, table }: Verdict,
) {
  const { target, gathered, keys, clock, profile, guess, token } = facts
  return {
    healthy: exitCode === EXIT.yes,
    ...(exitCode === EXIT.unknown && { error: 'The issuer did not answer; problems say where.' }),
    issuer: target.issuer.issuer,
    table: target.table,
    allow_insecure_http: target.issuer.allowInsecureHttp,
    discovery: {
      documents: gathered.metadata.map((asked) => ({
        ...documentJson(asked, facts),
        issuer: cut(ownText(documentOf(asked) ?? {}, 'issuer')),
      })),
      jwks_uri: gathered.discovered?.ok ? cut(gathered.discovered.value.uri) : null,
    },
    keys: {
      document: gathered.keySet ? documentJson(gathered.keySet, facts) : null,
      entries: (keys?.entries ?? []).map((key) => ({
        kid: cut(key.kid),
        kty: cut(key.kty),
        crv: cut(key.crv),
        alg: cut(key.alg),
        use: cut(key.use),
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
    toml: table && `${tableText(name, table).join('\n')}\n`,
    token: token
      ? {
          ...token,
          typ: cut(token.typ),
          alg: cut(token.alg),
          kid: cut(token.kid),
          denial: token.denial ?? null,
        }
      : null,
    ...findingsJson(findings),
  }
}

/** The report where the address alone is refused, so that nobody was asked. */
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

const findingsJson = (findings: readonly Finding[]) => {
  const told = findings.map(({ level, ...rest }) => ({ ...rest, certain: level === 'wrong' }))
  const of = (isWarning: boolean) =>
    told.filter((_, i) => (findings[i]?.level === 'warning') === isWarning)
  return {
    problems: of(false),
    warnings: of(true).map(({ code, message, mend }) => ({ code, message, mend })),
  }
}

const documentJson = (asked: Asked, { target }: Facts) => ({
  url: cut(asked.url),
  status: asked.exchanges.at(-1)?.status ?? null,
  fault: faultText(asked, target) ?? null,
})

const cachingJson = ({ caching, target }: Facts) => {
  if (!caching) return null
  const { headers, maxAge, fresh, changed, revalidates } = caching
  return {
    cache_control: cut(headers['cache-control']),
    expires: cut(headers.expires),
    age: cut(headers.age),
    etag: cut(headers.etag),
    last_modified: cut(headers['last-modified']),
    changed_seconds_ago: changed ?? null,
    max_age_seconds: maxAge ?? null,
    fresh_seconds: fresh,
    cooldown_seconds: target.issuer.keyTimes.cooldown / 1000,
    revalidates: revalidates ?? null,
  }
}
