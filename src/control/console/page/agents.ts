import { useState } from 'preact/hooks'
import { listOf, objectOf } from '../../../gate/base/json.ts'
import { isStopped, standingText } from '../../../gate/model/agents.ts'
import { All } from './agent-list.ts'
import {
  ActsOn,
  Alert,
  Changes,
  Missing,
  nameOf,
  sentence,
  stateOf,
  Week,
  words,
} from './agent-parts.ts'
import { html } from './html.ts'
import { Neighbours } from './neighbours.ts'
import { Badge, Facts, Link, useAnswer } from './parts.ts'
import { address, has, list, place, text, time } from './state.ts'
import { Hit, Kill, Revocations, useActs } from './stop.ts'

/** One agent: what is known of it, its scopes and which of them it used, who acts with it, and what stops it. */
function One({ issuer, agent }: { readonly issuer: string; readonly agent: string }) {
  const entry = useAnswer(address('/api/agents/entry', { issuer, agent }), 60_000)
  const alerts = useAnswer(address('/api/alerts', { limit: 1000, issuer }))
  const revoked = useAnswer(
    has('revoke') && address('/api/revocations', { kind: 'agent', issuer, value: agent }),
  )
  const policy = useAnswer(has('read') && '/api/policy')
  const [acts, setActs] = useState(0)
  const again = () => {
    for (const one of [entry, alerts, revoked]) one.again()
    setActs((before) => before + 1)
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
  const isOff = isStopped(shown.status)
  const isRefused = stateOf(shown) === 'denied'
  const name = nameOf(shown)
  const body = { issuer: shown.issuer, agent: shown.agent }
  const own = list(alerts.value?.alerts).filter((one) => one.agent === shown.agent)
  const unused = listOf(seen.scopes_unused)
  return html`<h2>${name}: <${Badge} state=${stateOf(shown)}>${standingText(shown)}<//></h2>
    <div class="columns"><section aria-label="Registry"><${Facts} facts=${{
      ...facts,
      status: `${standingText(shown)}${isRefused ? ': the gate refuses each of its requests' : ''}`,
      owners: words(facts.owners),
      needs: words(needs),
      changed: time(facts.changed),
      'first seen': time(seen.first),
      'last seen': time(seen.last),
      ...Object.fromEntries(learned),
    }} />
      <${Changes} of=${shown} issuers=${objectOf(policy.value?.issuers)} button=${button} />
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
              says: html`<${Hit} of=${[shown]} /> Each request of <bdi>${name}</bdi> is refused until somebody resumes it, and its open streams end.`,
              did: 'Suspended',
              undo: 'To undo, resume it here.',
              path: '/api/agents/suspend',
              body,
            })
      }${view}
      <${Revocations} found=${revoked.value?.revocations} again=${again} />
      <${Kill} of=${shown} again=${again} />
      <p><${Link} to=${address('/decisions', { agent: shown.agent_name ?? shown.agent, issuer, range: '7d' })}>All decisions of this agent<//></p>
      <p><${Link} to=${address('/policy', { issuer, agent_name: shown.agent_name ?? shown.agent })}>What it may call<//></p></section>
    <section aria-label="Granted and used"><h2>Scopes granted against used</h2>
      ${
        list(seen.scopes_granted).length === 0
          ? html`<p>Its tokens had none.</p>`
          : html`<ul>${list(seen.scopes_granted).map((scope) => html`<li>${text(scope)}: ${unused.includes(scope) ? html`<span class="lost">not used in 90 days</span>` : 'used'}</li>`)}</ul>`
      }
      <h2>Rules and tools it used</h2><ul>${list(seen.uses).map(({ rule, tool }) => html`<li><code>${text(rule)}</code> ${text(tool)}</li>`)}</ul></section></div>
    <section aria-label="Neighbours"><h2>Who acts for whom</h2><${Neighbours} of=${shown} seen=${seen} /></section>
    ${has('audit:read') && html`<section aria-label="Its week"><h2>Its week</h2><${Week} issuer=${issuer} agent=${agent} /></section>`}
    ${has('audit:read') && html`<section aria-label="Its acts"><h2>What was done to it</h2><${ActsOn} after=${acts} issuer=${issuer} agent=${agent} /></section>`}
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
