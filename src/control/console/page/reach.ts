import { listOf, objectOf } from '../../../gate/base/json.ts'
import { standingText } from '../../../gate/model/agents.ts'
import { METHODS } from '../../../gate/model/route.ts'
import { html } from './html.ts'
import { agentPlace, Badge, Link, Pending, useAnswer } from './parts.ts'
import { alsoSentence, needsSentence } from './sentences.ts'
import { address, go, has, type Json, list, nameText, place, text, textsOf } from './state.ts'

/** What a rule needs beside its scopes, and the values of the path that an agent may use. */
function Reached({ rule }: { readonly rule: Json }) {
  const { match, host, only, many, mode, asks } = rule
  const paths = list(only).map((one) =>
    Object.entries(one)
      .map(([name, value]) => `{${name}} = ${text(value)}`)
      .join(' and '),
  )
  return html`<li><code>${text(match)}</code>${host && html` on ${text(host)}`}
    ${' '}${mode === 'shadow' && html`<${Badge} state="warn">shadow: refusals are forwarded<//>`}
    ${paths.length > 0 && html` only where ${paths.join(', or ')}`}
    ${listOf(many).length > 0 && html` only for some values of ${listOf(many).join(', ')}`}
<small> ${alsoSentence(objectOf(asks))}</small></li>`
}

/** What an agent may call, as far as the gate has seen its tokens. */
export function MayCall({ of }: { readonly of: Json }) {
  const asked = useAnswer(address('/api/console/reach', of))
  if (!asked.value) return html`<${Pending} asked=${asked} says="Asking what it may call…" />`
  const { agent, rules } = asked.value
  const { agent_name, agent: id, revoked, status } = objectOf(agent)
  const standing = standingText(objectOf(agent))
  const isOff = revoked !== undefined || ['suspended', 'retired'].includes(text(status))
  return html`<p><${Link} to=${agentPlace(objectOf(agent))}>${nameText(agent_name ?? id)}<//> is <${Badge} state=${isOff ? 'denied' : 'none'}>${standing}<//>${isOff && ' now, so the gate refuses it. Else it may call:'}</p>
    ${
      list(rules).length === 0
        ? html`<p class="empty">No rule takes the scopes and types that its tokens had.</p>`
        : html`<ul class="plain">${list(rules).map((rule) => html`<${Reached} rule=${rule} />`)}</ul>`
    }`
}

/** Which rule takes a request, what it needs, and which agents may send it. */
function WhoMay({ of }: { readonly of: Json }) {
  const asked = useAnswer(address('/api/console/reach', of))
  if (!asked.value) return html`<${Pending} asked=${asked} says="Asking who may call…" />`
  const { rule, agents, anyone, refused, cursor } = asked.value
  if (refused) {
    return html`<p>Nobody: the gate refuses such a request with <code>${text(refused)}</code>.</p>`
  }
  const { match, issuers, asks, access, mode } = objectOf(rule)
  const shown = list(agents)
  return html`<p>The rule is <code>${text(match)}</code>. ${needsSentence({ ...objectOf(asks), access })}
      ${listOf(issuers).length > 0 && html` Tokens of ${listOf(issuers).join(', ')}.`}</p>
    ${
      anyone
        ? html`<p>Anyone may call it${mode === 'shadow' ? ': it is in shadow mode, and forwards what it would refuse' : ''}.</p>`
        : shown.length === 0
          ? html`<p class="empty">No agent that the gate has seen has what the rule needs.${cursor ? ' There are more agents, which were not looked at.' : ''}</p>`
          : html`<ul class="plain">${shown.map(
              (one) =>
                html`<li><${Link} to=${agentPlace(one)}>${nameText(one.agent_name ?? one.agent)}<//>
              <span class="none">${standingText(one)}</span></li>`,
            )}</ul>`
    }
    ${cursor && html`<p><${Link} to=${address('/policy', { ...of, cursor })}>The agents that follow<//></p>`}`
}

/** Two questions about the policy in force, and their answer. The address has the question. */
export function Reach({ issuers }: { readonly issuers: readonly string[] }) {
  const of = Object.fromEntries(place.value.searchParams)
  if (!has('agents')) return null
  const ask = (event: SubmitEvent) => go(address('/policy', textsOf(event)))
  return html`<section aria-label="Who may call what" key=${place.value.search}><h2>Who may call what</h2><div class="columns">
    <div><h3>Who may call</h3><form class="filters" aria-label="Who may call" onSubmit=${ask}>
      <label>Method<select name="method" value=${of.method ?? 'GET'}>${METHODS.map((one) => html`<option>${one}</option>`)}</select></label>
      <label>Path<input name="path" required pattern="/.*" placeholder="/v1/documents/42" defaultValue=${of.path ?? ''} /></label>
      <button type="submit" class="quiet">Ask</button></form></div>
    <div><h3>What may an agent call</h3><form class="filters" aria-label="What may it call" onSubmit=${ask}>
      <label>Agent<input name="agent_name" required defaultValue=${of.agent_name ?? ''} /></label>
      <label>Issuer<select name="issuer" value=${of.issuer}>${issuers.map((one) => html`<option>${one}</option>`)}</select></label>
      <button type="submit" class="quiet">Ask</button></form></div></div>
    <div role="status">${of.path ? html`<${WhoMay} key=${place.value.search} of=${of} />` : of.issuer && html`<${MayCall} key=${place.value.search} of=${of} />`}</div></section>`
}
