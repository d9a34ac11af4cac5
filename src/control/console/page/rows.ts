import { useRef, useState } from 'preact/hooks'
import { objectOf } from '../../../gate/base/json.ts'
import { html } from './html.ts'
import { Badge, Link, Moment } from './parts.ts'
import { type Json, list, nameText, text } from './state.ts'

/** Pixels of a row. On a phone it has two lines, as style.css says. */
const ROW = matchMedia('(max-width: 40rem)').matches ? 64 : 40

/** Who asked, as far as it is known. */
export function whoText(one: Json): string {
  const verified = objectOf(one.decided_by).subject ?? one.operator ?? one.agent_name ?? one.agent
  // An alert has the agent that it is about.
  if (one.act === 'alert' || (one.act !== undefined && verified === undefined)) return 'the gate'
  if (verified !== undefined) return nameText(verified)
  return one.claimed_issuer === undefined ? 'no token' : `claims ${nameText(one.claimed_issuer)}`
}

/** Who asked, and for whom: the further actors of its token, and the subject. */
export function forText(one: Json): string {
  if (one.operator !== undefined || one.act !== undefined) return whoText(one)
  const whom = [...list(one.actors).map(({ sub }) => sub), one.subject].filter(
    (name) => name !== undefined && name !== one.agent && name !== one.agent_name,
  )
  return [...new Set([whoText(one), ...whom.map(nameText)])].join(' for ')
}

/** Whom an act hit. An alert is about the agent that its record names. */
export function whomOf(act: Json): readonly Json[] {
  const about = { issuer: act.issuer, value: act.agent, reason: act.signal }
  return act.act === 'alert' ? [about] : list(act.entries)
}

/** What was asked for: the path, or the rule with the recorded values of its path; and the tool. Or what an act did to whom. */
export function whatText(one: Json): string {
  if (one.act === undefined) {
    const tool = objectOf(one.mcp).name
    const values = Object.entries(objectOf(one.path_values))
    return [
      one.path === undefined
        ? text(one.route ?? 'no rule')
        : `${text(one.method)} ${text(one.path)}`,
      ...(one.path === undefined ? values : []).map(([name, value]) => `${name}=${text(value)}`),
      ...(tool === undefined ? [] : ['·', nameText(tool)]),
    ].join(' ')
  }
  return [text(one.act), ...whomOf(one).map(({ value }) => nameText(value))].join(' ')
}

/** The answer of a record, as a state. */
export function Answered({ of: one }: { readonly of: Json }) {
  const state = one.decision === 'allowed' || one.decision === 'denied' ? one.decision : 'none'
  return html`<${Badge} state=${state}>${text(one.code ?? (one.act === undefined ? one.decision : 'act'))}<//>`
}

/** A table of decisions. Only visible rows are in the page, so thousands do not slow it down. */
export function Rows({ rows }: { readonly rows: readonly Json[] }) {
  const [top, setTop] = useState(0)
  const box = useRef<HTMLDivElement>(null)
  const first = Math.max(0, Math.floor(top / ROW) - 10)
  const seen = rows.slice(first, first + 50)
  const space = (count: number) =>
    count > 0 &&
    html`<tr aria-hidden="true" style=${{ height: `${count * ROW}px` }}><td colspan="5"></td></tr>`
  return html`<div class="rows" ref=${box} tabindex="0" role="region" aria-label="Decisions"
    onScroll=${() => setTop(box.current?.scrollTop ?? 0)}>
    <table role="table" aria-rowcount=${rows.length + 1}>
      <thead role="rowgroup"><tr role="row">${['Time', 'Who', 'What', 'Answer', 'ms'].map((name) => html`<th role="columnheader" class=${name === 'ms' ? 'wide number' : undefined}>${name}</th>`)}</tr></thead>
      <tbody role="rowgroup">${space(first)}${seen.map(
        (row, index) => html`<tr role="row" key=${text(row.id)} aria-rowindex=${first + index + 2}>
          <td role="cell"><${Link} to=${`/decisions/${text(row.id)}`}><${Moment} at=${row.time} /><//></td>
          <td role="cell" title=${forText(row)}>${forText(row)}</td><td role="cell" title=${whatText(row)}>${whatText(row)}</td>
          <td role="cell"><${Answered} of=${row} /></td><td role="cell" class="wide number">${text(row.duration)}</td></tr>`,
      )}${space(rows.length - first - seen.length)}</tbody>
    </table></div>`
}
