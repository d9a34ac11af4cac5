import { html } from 'htm/preact'
import { useMemo, useState } from 'preact/hooks'
import { Facts, Failure, Link, useAnswer } from './parts.ts'
import { has, type Json, list, text } from './state.ts'

/** The rules that are in force, what each asks, and who has come through it. */
export function Policy() {
  const { answer, again } = useAnswer('/api/policy')
  const since = useMemo(() => Math.floor(Date.now() / 1000) - 86_400, [])
  const { answer: used } = useAnswer(
    has('audit:read') ? `/api/usage?by=rule,agent&from=${since}` : undefined,
  )
  const [wanted, setWanted] = useState('')
  if (!answer) return html`<h1>Policy</h1><p aria-busy="true">Asking for the policy…</p>`
  if (!answer.ok)
    return html`<h1>Policy</h1><${Failure} problem=${answer.problem} again=${again} />`
  const { routes, issuers, gate } = answer.value
  const groups = list(used?.ok && used.value.usage)
  const rules = list(routes).filter((rule) =>
    text(rule).toLowerCase().includes(wanted.toLowerCase()),
  )
  const who = (rule: Json) => groups.filter((one) => one.rule === rule.match)
  const asked = ({ match: _, scopes: __, access: ___, mode: ____, ...rest }: Json) => rest
  return html`<h1>Policy</h1>
    <p>This is what the gate decides by. To know what a change would do before it is deployed: <code>npx edgewarden diff OLD NEW</code>.</p>
    <label>Find rules<input type="search" value=${wanted}
      onInput=${(event: InputEvent) => setWanted((event.target as HTMLInputElement).value)} /></label>
    ${rules.length === 0 && html`<p class="empty">No rule has this text.</p>`}
    ${rules.map(
      (rule) => html`<details class="rule"><summary><code>${text(rule.match)}</code>
        <span>${text(rule.access)} ${text(rule.scopes)}</span> ${rule.mode === 'shadow' && html`<span class="none">shadow</span>`}</summary>
        <div class="columns"><section><h2>What it asks</h2><${Facts} facts=${{ access: rule.access, scopes: rule.scopes, ...asked(rule) }} /></section>
        <section><h2>Who came, last day</h2>${
          who(rule).length === 0
            ? html`<p>${has('audit:read') ? 'Nobody.' : 'This needs the scope edgewarden:audit:read.'}</p>`
            : html`<ul>${who(rule).map(
                (one) =>
                  html`<li><${Link} to=${`/?${new URLSearchParams({ agent: text(one.agent), rule: text(rule.match) })}`}>${text(one.agent ?? 'unverified')}<//>: ${text(one.decisions)}, refused ${text(one.denied)}</li>`,
              )}</ul>`
        }</section></div></details>`,
    )}
    <h2>Issuers</h2>${Object.entries((issuers ?? {}) as Json).map(
      ([name, issuer]) =>
        html`<details><summary>${name}</summary><${Facts} facts=${issuer as Json} /></details>`,
    )}
    <h2>The gate</h2><details><summary>GATE</summary><${Facts} facts=${gate as Json} /></details>`
}
