import { useMemo } from 'preact/hooks'
import { objectOf } from '../../../gate/base/json.ts'
import { html } from './html.ts'
import { Link, Pending, Table, useAnswer } from './parts.ts'
import { Plot, spanOf } from './plot.ts'
import { address, has, list, text } from './state.ts'

/** The samples of one name in `/metrics`: each with its label, and its value. */
const samples = (metrics: string, name: string): readonly (readonly [string, number])[] =>
  [...metrics.matchAll(new RegExp(`^${name}\\{(.*)\\} ([\\d.]+)$`, 'gm'))].map(
    ([, labels = '', value]) => [
      labels.replace(/shard="\d+",?/, '').replace(/^\w+="([^"]*)"$/, '$1'),
      Number(value),
    ],
  )

/** The state of keys, revocations and origins. */
function Health() {
  const ready = useAnswer('/api/ready', 60_000)
  const { value: metrics = '' } = useAnswer<string>(has('metrics') && '/api/metrics', 60_000)
  if (!ready.value) return html`<${Pending} asked=${ready} says="Asking for the gate's health…" />`
  const checks = Object.entries(objectOf(ready.value.checks))
  const problems = samples(metrics, 'edgewarden_problem').filter(([, value]) => value > 0)
  const origins = samples(metrics, 'edgewarden_origin_answers_total')
  return html`<ul class="health">
    ${checks.map(([name, isFine]) => html`<li class=${isFine ? 'allowed' : 'denied'}>${name}: ${isFine ? 'fine' : 'missing'}</li>`)}
    ${list(ready.value.issuers).map(
      ({ issuer, state, keys }) =>
        html`<li class=${state === 'failed' ? 'denied' : 'allowed'}>${text(issuer)}: keys ${text(state)}, ${text(keys)}</li>`,
    )}
    ${problems.map(([name]) => html`<li class="denied">problem: ${name}</li>`)}
    ${origins.map(([status, count]) => html`<li class=${Number(status) >= 500 ? 'denied' : 'allowed'}>origins answered ${status}: ${count}</li>`)}
  </ul>`
}

/** The gate's health, requests of the last hour, and how long each rule takes. */
export function Overview() {
  const span = useMemo(() => spanOf('1h'), [])
  const usable = has('audit:read')
  const rules = useAnswer(
    usable && address('/api/usage', { by: 'rule', own: 'false', ...span }),
    60_000,
  )
  if (!usable)
    return html`<h1>Overview</h1><p class="empty">Decisions need the scope edgewarden:audit:read.</p><${Health} />`
  const rows = list(rules.value?.usage).map(({ rule, decisions, denied, p50, p95 }) => [
    rule === undefined
      ? 'no rule'
      : html`<${Link} to=${address('/decisions', { rule })}>${text(rule)}<//>`,
    ...[decisions, denied, p50, p95],
  ])
  return html`<h1>Overview</h1>
    <div class="columns"><section aria-label="Requests"><h2>Last hour</h2><${Plot} query=${{ own: 'false' }} span=${span} />
      <p><${Link} to="/decisions">All decisions<//></p></section>
    <section aria-label="Health"><h2>Health</h2><${Health} /></section></div>
    <h2>By rule, last hour</h2>
    <${Table} head=${['Rule', 'Requests', 'Refused', 'p50 ms', 'p95 ms']} rows=${rows} />`
}
