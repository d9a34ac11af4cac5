import { useMemo } from 'preact/hooks'
import { listOf } from '../../../gate/base/json.ts'
import { html } from './html.ts'
import { useAnswer } from './parts.ts'
import { address, isUtc, type Json, list, nameText, text } from './state.ts'
import type { useActs } from './stop.ts'

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
}: { readonly of: Json; readonly issuers: readonly string[] } & Pick<
  ReturnType<typeof useActs>,
  'button'
>) {
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
    says: html`The owner is a text that people read: it gives nobody access. ${owners.length > 0 && `${nameText(owners.join(', '))} stay.`}`,
    inputs: html`<label>Owner: a team, an address, or the subject of a person<input name="owner" required maxlength="200" /></label>
      <label>Issuer, if it is a subject<select name="of"><option value="">none</option>${issuers.map((one) => html`<option>${one}</option>`)}</select></label>`,
    sent: ({ owner = '', of }) => ({
      owners: [...new Set([...owners, of ? `${owner} of ${of}` : owner])],
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
