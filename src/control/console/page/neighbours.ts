import { useState } from 'preact/hooks'
import { stoppedText } from '../../../gate/model/agents.ts'
import { nameOf } from './agent-parts.ts'
import { html } from './html.ts'
import { agentPlace, Badge, Link } from './parts.ts'
import { type Json, list } from './state.ts'

/** Most agents on a side, until one asks for more. */
const MOST = 6

/** Lines between a side and the middle. Each begins at the middle of its row, as all rows are equally high. */
const lines = (rows: number, isLeft: boolean) =>
  html`<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">${Array.from(
    { length: rows },
    (_, row) => {
      const y = ((row + 0.5) / rows) * 100
      return html`<path d=${isLeft ? `M0 ${y}C50 ${y} 50 50 100 50` : `M0 50C50 50 50 ${y} 100 ${y}`} />`
    },
  )}</svg>`

const standing = (one: Json) =>
  stoppedText(one) && html` <${Badge} state="denied">${stoppedText(one)}<//>`

/** Agents on one side of the picture, as a list of links: the latest first. */
function Side({ of, says, isLeft }: { of: readonly Json[]; says: string; isLeft: boolean }) {
  const [most, setMost] = useState(MOST)
  if (of.length === 0) return html``
  const shown = of.slice(-most).reverse()
  const left = of.length - shown.length
  const rows = shown.map(
    (one) =>
      html`<li><${Link} to=${agentPlace(one)} title=${nameOf(one)}>${nameOf(one)}${standing(one)}<//></li>`,
  )
  const more =
    left > 0 &&
    html`<li><button type="button" class="quiet" onClick=${() => setMost(of.length)}>and ${left} more</button></li>`
  const drawn = lines(shown.length + Number(left > 0), isLeft)
  return html`${!isLeft && drawn}<ul aria-label=${says} data-label=${says}>${rows}${more}</ul>${isLeft && drawn}`
}

/** A picture of the agents that an agent acts for, and of those that act for it. `seen`: what was seen of the agent. */
export function Neighbours({ of, seen }: { readonly of: Json; readonly seen: Json }) {
  const [parents, children] = [list(seen.parents), list(seen.children)]
  if (parents.length + children.length === 0) {
    return html`<p class="empty">No token of this agent has named another agent in <code>act</code>, and no other token has named this one.</p>`
  }
  return html`<div class="neighbours"><${Side} of=${parents} says="It acts for" isLeft />
    <b title=${nameOf(of)}>${nameOf(of)}</b>
    <${Side} of=${children} says="Act for it" isLeft=${false} /></div>`
}
