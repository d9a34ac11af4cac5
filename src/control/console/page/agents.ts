import { useMemo } from 'preact/hooks'
import { listOf, objectOf } from '../../../gate/base/json.ts'
import { AGENT_NEEDS, AGENT_STATUSES, isStopped, standingText } from '../../../gate/model/agents.ts'
import { Changes, Week } from './agent-parts.ts'
import { html } from './html.ts'
import {
  type Asked,
  agentPlace,
  Badge,
  Facts,
  Failure,
  Link,
  Moment,
  Pending,
  Table,
  useAnswer,
} from './parts.ts'
import { address, go, has, type Json, list, nameText, place, text, textsOf, time } from './state.ts'
import { Kill, Revocations, useActs } from './stop.ts'

const SIGNALS: Json = {
  volume: 'more requests than usual',
  odd_hour: 'busy at an hour when it is usually quiet',
  refusals: 'more refusals than usual',
  new_use: 'a rule or tool for the first time',
  new_place: 'a new country or network',
  new_scope: 'a scope for the first time',
  two_places: 'one token from two countries at once',
}

const nameOf = (one: Json): string => nameText(one.agent_name ?? one.agent)

const words = (value: unknown): string => (Array.isArray(value) ? value.map(text).join(', ') : '')

/** A rule and its tool, which the watch writes as JSON; other texts as they are. */
const member = (one: unknown): string => {
  try {
    const found = JSON.parse(text(one))
    return Array.isArray(found) ? found.map(text).join(' ') : text(one)
  } catch {
    return text(one)
  }
}

/** What was usual, or what was seen, as a sentence. */
const sentence = (found: unknown): string =>
  Object.entries(objectOf(found))
    .flatMap(([name, value]) => {
      if (name === 'known')
        return Object.entries(objectOf(value)).map(([of, count]) => `known: ${text(count)} ${of}`)
      if (!Array.isArray(value)) return `${name.replaceAll('_', ' ')} ${text(value)}`
      return value.length > 0 ? `${name} ${value.map(member).join(', ')}` : []
    })
    .join('; ')

/** An alert: what was usual and seen, the requests behind it, and buttons for a verdict. */
function Alert({ alert, button }: { alert: Json } & Pick<ReturnType<typeof useActs>, 'button'>) {
  const { until, lifted, failed } = objectOf(alert.quarantine)
  const isStopped = !lifted && Date.parse(text(until)) > Date.now()
  const path = `/api/alerts/${text(alert.id)}`
  const of = html`Alert ${text(alert.id)} about <bdi>${nameOf(alert)}</bdi>:`
  return html`<article class="failure" aria-label=${`Alert ${text(alert.id)}`}>
    <strong><${Link} to=${agentPlace(alert)}>${nameOf(alert)}<//>: ${text(SIGNALS[text(alert.signal)] ?? alert.signal)}</strong>
    <p>Alert ${text(alert.id)} (${text(alert.signal)}) of WATCH.${text(alert.watch)}, <${Moment} at=${alert.at} />
      ${isStopped && html` · <b>quarantined until <${Moment} at=${until} /></b>`}
      ${alert.not_stopped && html` · <b>not stopped: at_most was reached</b>`}${failed && html` · <b>the quarantine failed</b>`}</p>
    <${Facts} facts=${{ usual: sentence(alert.usual), seen: sentence(alert.seen) }} />
    <p>Requests: ${listOf(alert.requests)
      .map(text)
      .map((id) => html`<${Link} to=${`/decisions/${encodeURIComponent(id)}`}>${id}<//> `)}</p>
    ${
      alert.verdict
        ? html`<p>${text(alert.verdict)} by ${text(alert.judged_by)}, <${Moment} at=${alert.judged} /></p>`
        : html`${button({ label: 'Dismiss', says: html`${of} it is in order. The gate learns what was seen${isStopped ? ', and the quarantine ends' : ''}.`, did: 'Dismissed', path: `${path}/dismiss` })}
          ${isStopped && button({ label: 'Release', says: html`${of} the quarantine ends, and nothing is learned.`, did: 'Released', path: `${path}/release` })}
          ${button({ label: 'Suspend', says: html`${of} each request of the agent is refused until somebody resumes it, and its open streams end.`, did: 'Suspended', path: `${path}/suspend` })}`
    }</article>`
}

/** How the status of an agent looks. */
const stateOf = ({ status, revoked }: Json) =>
  isStopped(status) || revoked ? 'denied' : status === 'approved' ? 'allowed' : 'none'

/** Shown in place of an answer of the registry. */
function Missing({ asked }: { readonly asked: Asked }) {
  return asked.problem?.code === 'route_unknown'
    ? html`<p class="empty">This gate has no registry of agents: its Worker lacks the binding AGENTS. Add it to wrangler.toml, as docs/agent-registry.md says.</p>`
    : html`<${Pending} asked=${asked} says="Asking the registry…" />`
}

/** A choice of one of some names, or of none. */
const choice = (name: string, chosen: string, names: readonly string[], none: string) =>
  html`<label>${name}<select name=${name} value=${chosen}><option value="">${none}</option>${names.map((one) => html`<option>${one}</option>`)}</select></label>`

/** Whether two answers are about the same agent. */
const isSame = (one: Json, other: Json): boolean =>
  one.agent === other.agent && one.issuer === other.issuer

/** Open alerts, then the agents that need something, or those that the address asks for. */
function All() {
  const { searchParams: search } = place.value
  const needs = search.get('needs') ?? (search.has('status') ? '' : 'any')
  const status = search.get('status') || undefined
  const find = search.get('find') || undefined
  const cursor = search.get('cursor') || undefined
  const isFiltered = needs || status || find || cursor
  const query = { limit: 100, needs: needs || undefined, status, find, cursor }
  const agents = useAnswer(address('/api/agents', query), 60_000)
  const alerts = useAnswer('/api/alerts?open=true&limit=50', 30_000)
  const since = useMemo(() => Math.floor(Date.now() / 1000) - 86_400, [])
  const used = useAnswer(has('audit:read') && `/api/usage?by=agent&from=${since}`)
  const groups = list(used.value?.usage)
  const { button, view } = useActs(() => {
    alerts.again()
    agents.again()
  })
  if (!agents.value) return html`<${Missing} asked=${agents} />`
  const open = list(alerts.value?.alerts)
  const rows = list(agents.value.agents)
  const next = agents.value.cursor
  const filter = (event: Event) => {
    const { needs, status } = textsOf(event)
    go(address('/agents', { needs, status: status || undefined, find }), false)
  }
  const seek = (event: SubmitEvent) => {
    const wanted = textsOf(event).find?.trim()
    go(address('/agents', { needs: '', find: wanted || undefined }))
  }
  return html`<section aria-label="Alerts"><h2>Open alerts</h2>${view}
      ${alerts.problem && html`<${Failure} problem=${alerts.problem} again=${alerts.again} />`}
      ${open.map((alert) => html`<${Alert} key=${text(alert.id)} alert=${alert} button=${button} />`)}
      ${alerts.value && open.length === 0 && html`<p class="empty">No alert is open. Alerts are of agents that a table WATCH of the policy names.</p>`}
      ${alerts.value?.cursor !== undefined && html`<p>There are more, older ones.</p>`}</section>
    <section aria-label="Agents"><h2>${needs ? 'They need something' : 'Agents'}</h2>
    <form role="search" aria-label="Agents" onSubmit=${seek}><label>Find agents whose id begins with<input type="search" name="find" defaultValue=${find ?? ''} /></label></form>
    <form class="filters" onChange=${filter} onSubmit=${filter}>
      ${choice('needs', needs, ['any', ...AGENT_NEEDS], 'all agents')}${choice('status', status ?? '', AGENT_STATUSES, 'all')}</form>
    ${
      rows.length > 0
        ? html`<${Table} head=${['Agent', 'Status', 'Needs', 'Owners', 'Last seen', 'Calls, last day', 'Refused', 'Open alerts']}
          rows=${rows.map((one) => {
            const sum = (name: string) =>
              groups.reduce((all, group) => all + (isSame(group, one) ? Number(group[name]) : 0), 0)
            const counts = used.value ? [sum('decisions'), sum('denied')] : ['–', '–']
            return [
              html`<${Link} to=${agentPlace(one)}>${nameOf(one)}<//>`,
              html`<${Badge} state=${stateOf(one)}>${standingText(one)}<//>`,
              words(one.needs) || '–',
              words(one.owners) || '–',
              one.seen ? html`<${Moment} at=${objectOf(one.seen).last} />` : 'never',
              ...counts,
              open.filter((alert) => isSame(alert, one)).length,
            ]
          })} />`
        : html`<p class="empty">${isFiltered ? 'No agent here.' : 'No agent was seen yet: each is here some seconds after its first request.'} ${isFiltered && html`<${Link} to="/agents?needs=">Show all<//>`}</p>`
    }${next !== undefined && html`<p><${Link} to=${address('/agents', { needs, status, find, cursor: next })}>The agents that follow<//></p>`}</section>`
}

/** A list of agents as links. */
const links = (of: unknown) =>
  list(of).length === 0
    ? html`<p>None.</p>`
    : html`<ul>${list(of).map((one) => html`<li><${Link} to=${agentPlace(one)}>${nameText(one.agent)}<//></li>`)}</ul>`

/** One agent: what is known of it, its scopes and which of them it used, who acts with it, and what stops it. */
function One({ issuer, agent }: { readonly issuer: string; readonly agent: string }) {
  const from = useMemo(() => Math.floor(Date.now() / 1000) - 3_600, [])
  const entry = useAnswer(address('/api/agents/entry', { issuer, agent }), 60_000)
  const alerts = useAnswer(address('/api/alerts', { limit: 1000, issuer }))
  const revoked = useAnswer(
    has('revoke') && address('/api/revocations', { kind: 'agent', issuer, value: agent }),
  )
  const used = useAnswer(
    has('audit:read') && address('/api/usage', { by: 'agent', from, issuer, agent }),
  )
  const policy = useAnswer(has('read') && '/api/policy')
  const again = () => {
    for (const one of [entry, alerts, revoked]) one.again()
  }
  const { button, view } = useActs(again)
  if (!entry.value) return html`<${Missing} asked=${{ ...entry, again }} />`
  const shown = objectOf(entry.value.agent)
  const { needs, watched, version: _, id: __, seen: ___, revoked: ____, ...facts } = shown
  const learned = list(watched).map(({ watch, ...one }) => [
    `learned by ${text(watch)}`,
    sentence(one),
  ])
  const seen = objectOf(shown.seen)
  const calls = list(used.value?.usage).reduce(
    (sum, { decisions, denied }) => sum + Number(decisions) - Number(denied),
    0,
  )
  const children = list(seen.children).map((one) => nameText(one.agent))
  const count = used.value ? ` ${calls} allowed calls in the last hour,` : ''
  const stops = `This stops 1 agent,${count} ${children.length} that act for it${children.length > 0 ? ` (${children.join(', ')})` : ''}.`
  const isOff = isStopped(shown.status)
  const name = nameOf(shown)
  const body = { issuer: shown.issuer, agent: shown.agent }
  const own = list(alerts.value?.alerts).filter((one) => one.agent === shown.agent)
  const unused = listOf(seen.scopes_unused)
  return html`<h2>${name}: <${Badge} state=${stateOf(shown)}>${standingText(shown)}<//></h2>
    <div class="columns"><section aria-label="Registry"><${Facts} facts=${{
      ...facts,
      owners: words(facts.owners),
      needs: words(needs),
      changed: time(facts.changed),
      'first seen': time(seen.first),
      'last seen': time(seen.last),
      ...Object.fromEntries(learned),
    }} />
      <${Changes} of=${shown} issuers=${Object.keys(objectOf(policy.value?.issuers))} button=${button} />
      ${
        isOff
          ? button({
              label: 'Resume',
              says: html`<bdi>${name}</bdi> gets back the status that it had before it was ${text(shown.status)}, and its tokens are accepted again.`,
              did: 'Resumed',
              path: '/api/agents/resume',
              body,
            })
          : button({
              label: 'Suspend',
              says: html`${stops} Each request of <bdi>${name}</bdi> is refused until somebody resumes it, and its open streams end.`,
              did: 'Suspended',
              path: '/api/agents/suspend',
              body,
            })
      }${view}
      <${Revocations} found=${revoked.value?.revocations} again=${again} />
      <${Kill} of=${body} again=${again} />
      <p><${Link} to=${address('/decisions', { agent: shown.agent_name ?? shown.agent, issuer, range: '7d' })}>All decisions of this agent<//></p>
      <p><${Link} to=${address('/policy', { issuer, agent_name: shown.agent_name ?? shown.agent })}>What it may call<//></p></section>
    <section aria-label="Granted and used"><h2>Scopes granted against used</h2>
      ${
        list(seen.scopes_granted).length === 0
          ? html`<p>Its tokens had none.</p>`
          : html`<ul>${list(seen.scopes_granted).map((scope) => html`<li>${text(scope)}: ${unused.includes(scope) ? html`<span class="lost">not used in 90 days</span>` : 'used'}</li>`)}</ul>`
      }
      <h2>Rules and tools it used</h2><ul>${list(seen.uses).map(({ rule, tool }) => html`<li><code>${text(rule)}</code> ${text(tool)}</li>`)}</ul>
      <h2>Agents that act for it</h2>${links(seen.children)}
      <h2>Agents it acts for</h2>${links(seen.parents)}</section></div>
    ${has('audit:read') && html`<section aria-label="Its week"><h2>Its week</h2><${Week} issuer=${issuer} agent=${agent} /></section>`}
    <h2>Its alerts</h2>${own.map((alert) => html`<${Alert} key=${text(alert.id)} alert=${alert} button=${button} />`)}
    ${own.length === 0 && html`<p class="empty">None.</p>`}`
}

/** The agents of the registry: what needs attention, or the one that the address names. */
export function Agents() {
  const { searchParams, search: key } = place.value
  const [issuer, agent] = [searchParams.get('issuer'), searchParams.get('agent')]
  if (!has('agents')) return html`<h1>Agents</h1><p>Agents need the scope edgewarden:agents.</p>`
  return html`<h1>Agents</h1>${
    issuer && agent
      ? html`<p><${Link} to="/agents">What needs attention<//></p><${One} key=${key} issuer=${issuer} agent=${agent} />`
      : html`<${All} key=${key} />`
  }`
}
