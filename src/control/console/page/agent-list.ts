import { useMemo, useState } from 'preact/hooks'
import { objectOf } from '../../../gate/base/json.ts'
import { AGENT_NEEDS, AGENT_STATUSES, standingText } from '../../../gate/model/agents.ts'
import { Alert, Missing, nameOf, stateOf, words } from './agent-parts.ts'
import { html } from './html.ts'
import { agentPlace, Badge, Failure, Link, Moment, Table, useAnswer } from './parts.ts'
import { address, go, has, type Json, list, place, text, textsOf } from './state.ts'
import { counted, Hit, isSame, useActs } from './stop.ts'

/** A choice of one of some names, or of none. */
const choice = (name: string, chosen: string, names: readonly string[], none: string) =>
  html`<label>${name}<select name=${name} value=${chosen}><option value="">${none}</option>${names.map((one) => html`<option>${one}</option>`)}</select></label>`

/** Acts on several agents at once, which take access away. To give access is done agent by agent. */
function Several({
  chosen,
  button,
}: { readonly chosen: readonly Json[] } & Pick<ReturnType<typeof useActs>, 'button'>) {
  const many = counted(chosen.length, 'agent', 'agents')
  const says = html`<${Hit} of=${chosen} /> It is about ${chosen.map((one, at) => html`${at > 0 && ', '}<bdi>${nameOf(one)}</bdi>`)}.`
  const each = (path: string, bodyOf: (one: Json) => Json) =>
    chosen.map((one) => ({
      who: html`<${Link} to=${agentPlace(one)}>${nameOf(one)}<//>`,
      ...{ path, body: { issuer: one.issuer, ...bodyOf(one) } },
    }))
  return html`${button({
    label: `Suspend ${many}`,
    says: html`${says} Each request is refused until somebody resumes the agent, and open streams end.`,
    did: 'Suspended',
    each: each('/api/agents/suspend', ({ agent }) => ({ agent })),
    undo: 'To undo, resume an agent on its page.',
  })}${
    has('revoke') &&
    button({
      label: `Revoke ${many}`,
      says: html`${says} Every token is refused, now and later, and open streams end.`,
      did: 'Revoked',
      each: each('/api/revocations', ({ agent }) => ({ kind: 'agent', value: agent })),
      undo: 'To undo, lift the revocation on the page of an agent.',
      isStop: true,
    })
  }`
}

/** Open alerts, then the agents that need something, or those that the address asks for. */
export function All() {
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
  const [marked, setMarked] = useState<readonly Json[]>([])
  const again = () => {
    alerts.again()
    agents.again()
    setMarked([])
  }
  const judging = useActs(again)
  const { button, view } = useActs(again)
  if (!agents.value) return html`<${Missing} asked=${agents} />`
  const open = list(alerts.value?.alerts)
  const rows = list(agents.value.agents)
  const next = agents.value.cursor
  const chosen = rows.filter((one) => marked.some((other) => isSame(one, other)))
  const mark = (one: Json) => (event: Event) => {
    const { checked } = event.currentTarget as HTMLInputElement
    const others = chosen.filter((other) => !isSame(one, other))
    setMarked(checked ? [...others, one] : others)
  }
  const filter = (event: Event) => {
    const { needs, status } = textsOf(event)
    go(address('/agents', { needs, status: status || undefined, find }), false)
  }
  const seek = (event: SubmitEvent) => {
    const wanted = textsOf(event).find?.trim()
    go(address('/agents', { needs: '', find: wanted || undefined }))
  }
  return html`<section aria-label="Alerts"><h2>Open alerts</h2>${judging.view}
      ${alerts.problem && html`<${Failure} problem=${alerts.problem} again=${alerts.again} />`}
      ${open.map((alert) => html`<${Alert} key=${text(alert.id)} alert=${alert} button=${judging.button} />`)}
      ${alerts.value && open.length === 0 && html`<p class="empty">No alert is open. Alerts are of agents that a table WATCH of the policy names.</p>`}
      ${alerts.value?.cursor !== undefined && html`<p>There are more, older ones.</p>`}</section>
    <section aria-label="Agents"><h2>${needs ? 'They need something' : 'Agents'}</h2>
    <form role="search" aria-label="Agents" onSubmit=${seek}><label>Find agents whose id begins with<input type="search" name="find" defaultValue=${find ?? ''} /></label></form>
    <form class="filters" onChange=${filter} onSubmit=${filter}>
      ${choice('needs', needs, ['any', ...AGENT_NEEDS], 'all agents')}${choice('status', status ?? '', AGENT_STATUSES, 'all')}</form>${view}
    ${
      rows.length > 0
        ? html`<div class="bar chosen"><label><input type="checkbox" checked=${chosen.length === rows.length} onChange=${() => setMarked(chosen.length === rows.length ? [] : rows)} />All on this page</label>
          ${chosen.length > 0 ? html`<${Several} chosen=${chosen} button=${button} />` : html`<small>Choose agents to suspend or revoke several at once.</small>`}</div>
        <${Table} head=${['Agent', 'Status', 'Needs', 'Owners', 'Last seen', 'Calls, last day', 'Refused', 'Open alerts']}
          rows=${rows.map((one) => {
            const sum = (name: string) =>
              groups.reduce((all, group) => all + (isSame(group, one) ? Number(group[name]) : 0), 0)
            const counts = used.value ? [sum('decisions'), sum('denied')] : ['–', '–']
            return [
              html`<input type="checkbox" aria-label=${`Choose ${nameOf(one)}`} checked=${chosen.includes(one)} onChange=${mark(one)} /><${Link} to=${agentPlace(one)}>${nameOf(one)}<//>`,
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
