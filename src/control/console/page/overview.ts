import { useMemo } from 'preact/hooks'
import { listOf, objectOf } from '../../../gate/base/json.ts'
import type { AGENT_NEEDS } from '../../../gate/model/agents.ts'
import { PROBLEMS } from '../../audit/health.ts'
import { Calls } from './approvals.ts'
import { html } from './html.ts'
import { type Asked, Badge, Failure, Gap, Link, Pending, Table, useAnswer } from './parts.ts'
import { Plot, RANGES, spanOf, useCounts } from './plot.ts'
import { address, go, has, type Json, list, nameText, place, text, textsOf } from './state.ts'
import { counted } from './stop.ts'

/** Most rows of a table. */
const ROWS = 8

/** The samples of one name in `/metrics`: each with its label, and its value. */
const samples = (metrics: string, name: string): readonly (readonly [string, number])[] =>
  [...metrics.matchAll(new RegExp(`^${name}\\{(.*)\\} ([\\d.]+)$`, 'gm'))].map(
    ([, labels = '', value]) => [
      labels.replace(/shard="\d+",?/, '').replace(/^\w+="([^"]*)"$/, '$1'),
      Number(value),
    ],
  )

/** What a check of the gate means that has failed. */
const FAILED: Json = {
  policy: 'The policy has mistakes, so every request is refused',
  keys: 'Keys are missing: of an issuer, or those that sign assertions',
  revocations: 'The revocation set cannot be read or changed',
}

/** How the keys of an issuer look. `unknown`: no request has needed them yet. */
const KEYS: Json = { held: 'allowed', stale: 'warn', failed: 'denied' }

/** What is wrong with the keys of issuers, and what to do. */
const keyFaults = (ready: Json | undefined) =>
  list(ready?.issuers)
    .filter(({ state }) => state === 'stale' || state === 'failed')
    .map(
      ({ issuer, state, age, error }) =>
        html`<li class=${text(KEYS[text(state)])}><b>${text(issuer)}</b>: ${
          state === 'failed'
            ? 'its keys cannot be fetched, so its tokens are refused'
            : `its keys are stale: ${age === undefined ? '' : `${Math.floor(Number(age) / 60)} minutes old, and `}not confirmed in time`
        }. ${error !== undefined && `The last fetch: ${text(error)}. `}Run <code>edgewarden doctor ${text(issuer)}</code>, or see <${Link} to=${address('/decisions', state === 'failed' ? { code: 'keys_unavailable' } : { issuer })}>its decisions<//>.</li>`,
    )

/** Whether the gate is well, in a sentence; what is not; and what was checked. */
function Health({ ready }: { readonly ready: Asked }) {
  const { value: metrics } = useAnswer<string>(has('metrics') && '/api/metrics', 60_000)
  if (!ready.value) return html`<${Pending} asked=${ready} says="Asking for the gate's health…" />`
  const checks = Object.entries(objectOf(ready.value.checks))
  const issuers = list(ready.value.issuers)
  const keys = keyFaults(ready.value)
  // Stale keys still work. That they were not fetched is then no further problem.
  const isStale = keys.length > 0 && issuers.every(({ state }) => state !== 'failed')
  const problems = samples(metrics ?? '', 'edgewarden_problem').filter(
    ([name, value]) => value > 0 && !(isStale && name === 'keys'),
  )
  const faults = [
    ...checks.flatMap(([name, isFine]) => (isFine ? [] : [text(FAILED[name] ?? name)])),
    ...new Set(problems.map(([name]) => text((PROBLEMS as Json)[name] ?? name))),
  ]
  const [state, says] =
    faults.length > 0
      ? ['denied', 'The gate is not well']
      : keys.length > 0
        ? ['warn', 'The gate works, and some keys need attention']
        : ['allowed', 'The gate is well']
  return html`<div class=${`notice ${state}`}><strong><${Badge} state=${state}>${says}<//></strong>
    <ul class="health">${faults.map((one) => html`<li class="denied">${one}.</li>`)}${keys}</ul>
    <details><summary>What was checked</summary><ul class="health">
    ${checks.map(([name, isFine]) => html`<li class=${isFine ? 'allowed' : 'denied'}>${name}: ${isFine ? 'fine' : 'missing'}</li>`)}
    ${issuers.map(
      ({ issuer, state, keys }) =>
        html`<li class=${text(KEYS[text(state)] ?? 'none')}>${text(issuer)}: ${state === 'unknown' ? 'keys were not needed yet' : `${counted(Number(keys), 'key', 'keys')}, ${text(state)}`}</li>`,
    )}
    ${
      metrics === undefined
        ? html`<li class="none">origins and the audit: not checked. That needs the scope edgewarden:metrics, of an administrator of all issuers</li>`
        : html`<li class=${problems.length > 0 ? 'denied' : 'allowed'}>the last five minutes: ${problems.map(([name]) => name).join(', ') || 'no problem'}</li>`
    }</ul></details></div>`
}

/** What an agent may need, in words. */
const NEEDS: Readonly<Record<(typeof AGENT_NEEDS)[number], string>> = {
  changed: 'with other code than approved',
  review: 'due for review',
  approval: 'not approved',
  owner: 'without an owner',
  'unused-scopes': 'with unused scopes',
  unseen: 'not seen for long',
}
const ANSWERED = 100

/** A count, which is a least one if the gate has more than one page. */
const least = (count: number, asked: Asked, one: string, more: string) =>
  `${asked.value?.cursor === undefined ? '' : 'at least '}${counted(count, one, more)}`

/** Alerts that nobody has judged, and agents that need something. */
function Waiting() {
  const alerts = useAnswer(`/api/alerts?open=true&limit=${ANSWERED}`, 60_000)
  const agents = useAnswer(`/api/agents?needs=any&limit=${ANSWERED}`, 60_000)
  const problem = alerts.problem ?? agents.problem
  if (problem?.code === 'route_unknown')
    return html`<p class="empty">This gate has no registry of agents, and so no alerts.</p>`
  if (problem) return html`<${Failure} problem=${problem} />`
  if (!alerts.value || !agents.value) return html`<p aria-busy="true">Asking for alerts…</p>`
  const open = list(alerts.value.alerts)
  const about = [...new Set(open.map((one) => nameText(one.agent_name ?? one.agent)))]
  const needs = Object.entries(NEEDS).flatMap(([need, says]) => {
    const count = list(agents.value?.agents).filter((one) =>
      listOf(one.needs).includes(need),
    ).length
    const to = address('/agents', { needs: need })
    return count > 0
      ? html`<li><${Link} to=${to}>${least(count, agents, 'agent', 'agents')} ${says}<//></li>`
      : []
  })
  const first = about.slice(0, 3).join(', ')
  return open.length + needs.length === 0
    ? html`<p class="empty">No alert is open, and no agent needs anything.</p>`
    : html`<ul class="plain">${
        open.length > 0 &&
        html`<li><${Link} to="/agents"><${Badge} state="denied">${least(open.length, alerts, 'open alert', 'open alerts')}<//><//> about ${first}${about.length > 3 && ` and ${about.length - 3} more`}</li>`
      }${needs}</ul>`
}

/** Requests over a time, why most were refused, and the slowest rules. */
function Traffic() {
  const range = place.value.searchParams.get('range') ?? '1h'
  const span = useMemo(() => spanOf(range), [range])
  const counts = useCounts({ own: 'false' }, span, 'code')
  const rules = useAnswer(address('/api/usage', { by: 'rule', own: 'false', ...span }), 60_000)
  const codes = useAnswer<Readonly<Record<string, readonly string[]>>>('/codes.json')
  const refused = new Map<unknown, number>()
  for (const { code, denied } of list(counts.asked.value?.usage)) {
    if (Number(denied) > 0) refused.set(code, (refused.get(code) ?? 0) + Number(denied))
  }
  const to = (filter: Json) => address('/decisions', { range, ...filter })
  const causes = [...refused]
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, ROWS)
    .map(([code, count]) => [
      html`<${Link} to=${to({ decision: 'denied', code })}>${codes.value?.[text(code)]?.[1] ?? text(code)}<//> <small><code>${text(code)}</code></small>`,
      count,
    ])
  const used = list(rules.value?.usage)
  const slowest = used
    .toSorted((one, other) => Number(other.p95) - Number(one.p95))
    .slice(0, ROWS)
    .map(({ rule, decisions, denied, p50, p95 }) => [
      rule === undefined ? 'no rule' : html`<${Link} to=${to({ rule })}>${text(rule)}<//>`,
      ...[p95, p50, decisions, denied],
    ])
  const gap = list(counts.asked.value?.dropped)[0]
  const choose = (event: Event) => go(address('/', textsOf(event)), false)
  const table = (of: Asked, head: readonly string[], rows: readonly unknown[][], none: string) =>
    !of.value
      ? html`<${Pending} asked=${of} says="Counting…" />`
      : rows.length > 0
        ? html`<${Table} head=${head} rows=${rows} />`
        : html`<p class="empty">${none}</p>`
  return html`<section aria-label="Requests"><h2>Requests</h2>
      <form class="bar" onChange=${choose} onSubmit=${choose}><label>Time <select name="range" value=${range}>${Object.entries(RANGES).map(([name, [words]]) => html`<option value=${name}>${words}</option>`)}</select></label>
        <${Link} to=${to({})}>All decisions<//> <${Link} to=${to({ decision: 'denied' })}>Refused<//></form>
      <${Plot} of=${counts} />${gap && html`<${Gap} of=${gap} />`}</section>
    <div class="columns"><section aria-label="Why"><h2>Why they were refused</h2>
      ${table(counts.asked, ['Cause', 'Refused'], causes, used.length > 0 ? 'No request was refused in this time.' : 'No request came in this time. Choose a longer one, or send a request through the gate.')}</section>
    <section aria-label="Slowest rules"><h2>Slowest rules</h2>
      ${table(rules, ['Rule', 'p95 ms', 'p50 ms', 'Requests', 'Refused'], slowest, 'No rule was used in this time.')}
      <p><${Link} to="/policy">All rules<//></p></section></div>`
}

/** Whether the gate is well, what waits for the operator, and its traffic: each leads to its list. */
export function Overview() {
  const ready = useAnswer('/api/ready', 60_000)
  return html`<h1>Overview</h1>
    <div class="columns"><section aria-label="Health"><h2>Is it well?</h2><${Health} ready=${ready} /></section>
    <section aria-label="Waiting"><h2>Waiting for you</h2><${Calls} />${
      has('agents')
        ? html`<${Waiting} />`
        : html`<p class="empty">Alerts and agents need the scope edgewarden:agents.</p>`
    }</section></div>
    ${
      has('audit:read')
        ? html`<${Traffic} />`
        : html`<p class="empty">Decisions need the scope edgewarden:audit:read.</p>`
    }`
}
