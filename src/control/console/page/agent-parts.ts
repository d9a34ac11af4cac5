import { useEffect, useMemo, useState } from 'preact/hooks'
import { listOf, objectOf } from '../../../gate/base/json.ts'
import { isStopped } from '../../../gate/model/agents.ts'
import { html } from './html.ts'
import { type Asked, agentPlace, Facts, Link, Moment, Pending, Table, useAnswer } from './parts.ts'
import { whomOf, whoText } from './rows.ts'
import { didText } from './sentences.ts'
import { address, isUtc, type Json, list, nameText, text } from './state.ts'
import { Hit, type useActs } from './stop.ts'

const HOUR = 3_600_000
const DAYS = 7

/** The decisions of an agent in the last week, as a map of its hours. */
export function Week({ issuer, agent }: { readonly issuer: string; readonly agent: string }) {
  const start = useMemo(() => {
    const today = new Date()
    return (
      (isUtc.value ? today.setUTCHours(0, 0, 0, 0) : today.setHours(0, 0, 0, 0)) -
      (DAYS - 1) * 24 * HOUR
    )
  }, [isUtc.value])
  const query = { by: 'agent', every: 'hour', from: Math.floor(start / 1000), issuer, agent }
  const asked = useAnswer(address('/api/usage', query))
  const groups = list(asked.value?.usage)
  const at = (hour: number) => {
    const of = groups.filter(
      ({ time }) => Math.floor((Date.parse(text(time)) - start) / HOUR) === hour,
    )
    const sum = (name: string) => of.reduce((all, one) => all + Number(one[name]), 0)
    return { decisions: sum('decisions'), denied: sum('denied') }
  }
  const hours = Array.from({ length: DAYS * 24 }, (_, hour) => at(hour))
  const most = Math.max(1, ...hours.map(({ decisions }) => decisions))
  const total = hours.reduce((all, { decisions }) => all + decisions, 0)
  const denied = hours.reduce((all, one) => all + one.denied, 0)
  const dayOf = (day: number) =>
    new Date(start + day * 24 * HOUR + 12 * HOUR).toLocaleDateString('en', {
      weekday: 'short',
      ...(isUtc.value && { timeZone: 'UTC' }),
    })
  return html`<figure><svg class="week" viewBox="0 0 520 180" role="img" aria-label=${`${total} decisions in the last seven days, ${denied} of them refused; by hour`}>
      ${[0, 6, 12, 18].map((hour) => html`<text x=${40 + hour * 20} y="12">${String(hour).padStart(2, '0')}</text>`)}
      ${Array.from({ length: DAYS }, (_, day) => html`<text x="0" y=${34 + day * 22}>${dayOf(day)}</text>`)}
      ${hours.map(({ decisions, denied }, hour) => {
        const [x, y] = [40 + (hour % 24) * 20, 20 + Math.floor(hour / 24) * 22]
        return html`<g><title>${`${dayOf(Math.floor(hour / 24))} ${hour % 24}:00: ${decisions} decisions, ${denied} refused`}</title>
          <rect class="ground" x=${x} y=${y} width="18" height="20" rx="2" />
          ${decisions > 0 && html`<rect class="level" x=${x} y=${y} width="18" height="20" rx="2" fill-opacity=${0.25 + (0.75 * decisions) / most} />`}
          ${denied > 0 && html`<path class="mark" d=${`M${x + 12} ${y}h6v6z`} />`}</g>`
      })}</svg>
    <figcaption>${total} decisions in seven days, at most ${most} in an hour: a stronger colour is more. A corner marks hours with refusals: ${denied} in all. ${isUtc.value ? 'UTC' : 'Local time'}.</figcaption></figure>`
}

/** Buttons that change what the registry says of an agent: each changes the version that the page shows, and no later one. */
export function Changes({
  of,
  button,
  issuers,
}: { readonly of: Json; readonly issuers: Json } & Pick<ReturnType<typeof useActs>, 'button'>) {
  const name = html`<bdi>${nameText(of.agent_name ?? of.agent)}</bdi>`
  const entry = address('/api/agents/entry', { issuer: of.issuer, agent: of.agent })
  const change = { path: entry, method: 'PATCH', match: of.version, body: {} }
  const owners = listOf(of.owners).map(text)
  return html`${
    (of.status === 'discovered' || listOf(of.needs).includes('approval')) &&
    button({
      ...change,
      label: 'Approve',
      did: 'Approved',
      says: html`Rules for approved agents only accept ${name}.`,
      sent: () => ({
        status: 'approved',
        ...(listOf(of.needs).includes('approval') && of.expires !== undefined && { expires: null }),
      }),
    })
  }${button({
    ...change,
    label: 'Assign an owner',
    did: 'Assigned',
    says: html`The owner is a text that people read. With an issuer it is a person, who may approve calls of the agent if its rule says so. ${owners.length > 0 && `${nameText(owners.join(', '))} stay.`}`,
    inputs: html`<label>Owner: a team, an address, or the subject of a person<input name="owner" required maxlength="200" /></label>
      <label>Issuer, if it is a subject<select name="of"><option value="">none</option>${Object.entries(issuers).map(([name, one]) => html`<option value=${objectOf(one).issuer}>${name}</option>`)}</select></label>`,
    sent: ({ owner = '', of }) => ({
      owners: [...new Set([...owners, of ? `${of} ${owner}` : owner])],
    }),
  })}${button({
    ...change,
    label: 'Note',
    did: 'Noted',
    says: html`What ${name} is for, so that others know.`,
    inputs: html`<label>Purpose<textarea name="purpose" maxlength="1000" defaultValue=${text(of.purpose)}></textarea></label>`,
    sent: ({ purpose }) => ({ purpose: purpose?.trim() || null }),
  })}`
}

const SIGNALS: Json = {
  volume: 'more requests than usual',
  odd_hour: 'busy at an hour when it is usually quiet',
  refusals: 'more refusals than usual',
  asks: 'more approvals asked for than usual',
  new_use: 'a rule or tool for the first time',
  new_place: 'a new country or network',
  new_scope: 'a scope for the first time',
  two_places: 'one token from two countries at once',
}

/** An agent as origins see it, or its id. */
export function nameOf(one: Json): string {
  return nameText(one.agent_name ?? one.agent)
}

/** A list with commas; empty for any other value. */
export function words(value: unknown): string {
  return listOf(value).map(text).join(', ')
}

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
export function sentence(found: unknown): string {
  return Object.entries(objectOf(found))
    .flatMap(([name, value]) => {
      if (name === 'known')
        return Object.entries(objectOf(value)).map(([of, count]) => `known: ${text(count)} ${of}`)
      if (!Array.isArray(value)) return `${name.replaceAll('_', ' ')} ${text(value)}`
      return value.length > 0 ? `${name} ${value.map(member).join(', ')}` : []
    })
    .join('; ')
}

/** An alert: what was usual and seen, the requests behind it, and buttons for a verdict. */
export function Alert({
  alert,
  button,
}: { alert: Json } & Pick<ReturnType<typeof useActs>, 'button'>) {
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
          ${button({ label: 'Suspend', says: html`<${Hit} of=${[alert]} /> ${of} each request of the agent is refused until somebody resumes it, and its open streams end.`, did: 'Suspended', undo: html`To undo, resume <${Link} to=${agentPlace(alert)}>${nameOf(alert)}<//>.`, path: `${path}/suspend` })}`
    }</article>`
}

/** How the status of an agent looks. */
export function stateOf({ status, revoked }: Json) {
  return isStopped(status) || revoked ? 'denied' : status === 'approved' ? 'allowed' : 'none'
}

/** Shown in place of an answer of the registry. */
export function Missing({ asked }: { readonly asked: Asked }) {
  return asked.problem?.code === 'route_unknown'
    ? html`<p class="empty">This gate has no registry of agents: its Worker lacks the binding AGENTS. Add it to wrangler.toml, as docs/agent-registry.md says.</p>`
    : html`<${Pending} asked=${asked} says="Asking the registry…" />`
}

/** Milliseconds after which the audit has usually stored an act, and surely. */
const STORED_MS = [3_000, 10_000]

/** Acts on an agent, the latest first: when, who, what, and why. `after`: how many acts this page has made. */
export function ActsOn({
  issuer,
  agent,
  after,
}: {
  readonly issuer: string
  readonly agent: string
  readonly after: number
}) {
  const [cursor, setCursor] = useState<unknown>(undefined)
  const query = { on_issuer: issuer, on_agent: agent, limit: 20, cursor }
  const asked = useAnswer(address('/api/decisions', query), 30_000)
  useEffect(() => {
    const timers = after > 0 ? STORED_MS.map((ms) => setTimeout(asked.again, ms)) : []
    return () => timers.forEach(clearTimeout)
  }, [after])
  if (!asked.value) return html`<${Pending} asked=${asked} says="Asking for its acts…" />`
  const rows = list(asked.value.decisions).map((one) => {
    const isIt = (other: Json) => other.value === agent && other.issuer === issuer
    const { status, reason } = whomOf(one).find(isIt) ?? {}
    const did = didText(text(one.act))
    return [
      html`<${Link} to=${`/decisions/${text(one.id)}`}><${Moment} at=${one.time} /><//>`,
      html`<bdi>${whoText(one)}</bdi>`,
      `${did} it${status === undefined || status === did ? '' : `: now ${text(status)}`}`,
      html`<bdi>${text(reason) || '–'}</bdi>`,
    ]
  })
  const older = asked.value.cursor
  return html`${
    rows.length > 0
      ? html`<${Table} head=${['When', 'Who', 'What', 'Why']} rows=${rows} />`
      : html`<p class="empty">${older === undefined ? 'Nobody has changed or stopped this agent in the time that the audit keeps.' : 'None here: look at older ones.'}</p>`
  }<p class="bar">${cursor !== undefined && html`<button type="button" class="quiet" onClick=${() => setCursor(undefined)}>Newest</button>`}
    ${older !== undefined && html`<button type="button" class="quiet" onClick=${() => setCursor(older)}>Older</button>`}</p>`
}
