import { useMemo, useState } from 'preact/hooks'
import { readText } from '../../../compare/wrangler/places.ts'
import { objectOf } from '../../../gate/base/json.ts'
import { html } from './html.ts'
import { Facts, Failure, Link, Pending, useAnswer } from './parts.ts'
import {
  type Answer,
  address,
  ask,
  has,
  isOffline,
  type Json,
  list,
  nameText,
  type Problem,
  text,
  textsOf,
} from './state.ts'

const SIDES = { gains: 'Wider', loses: 'Narrower', changes: 'Changed' }

/** What changes if a policy takes the place of the one in force. */
function Difference({ found }: { readonly found: Json }) {
  const sides = Object.entries(SIDES).filter(([side]) => list(found[side]).length > 0)
  const widens = found.widens ? 'Access widens.' : 'Access does not widen.'
  return html`<p class=${found.widens ? 'denied' : 'allowed'}>${sides.length === 0 ? 'Nothing changes.' : widens}</p>
    ${sides.map(([side, title]) => html`<h2>${title}</h2><ul>${list(found[side]).map((one) => html`<li>${text(one.text)}</li>`)}</ul>`)}`
}

/** Has a text compared with the policy in force. The page reads it, so that the gate reads no TOML. */
const compared = async (pasted: string, environment?: string): Promise<Answer> => {
  const read = readText(pasted)
  if ('mistake' in read) {
    const message = `no valid ${read.form}: ${read.mistake}`
    return { problem: { ...UNREADABLE, problems: [{ message, ...read.place }] } }
  }
  const body = { file: read.value, environment }
  const answer = await ask('/api/console/diff', 'POST', body)
  const { problem } = answer
  if (!problem?.problems) return answer
  const problems = problem.problems.map((one) =>
    one.path === 'environment' ? one : { ...one, ...read.placeOf(text(one.path), environment) },
  )
  return { problem: { ...problem, problems } }
}

const UNREADABLE: Problem = {
  title: 'The text is no wrangler file',
  hint: 'Correct what is listed; nothing was sent',
  code: 'unreadable',
}

/** Compares a text that is pasted with the policy in force. */
function Change() {
  const [{ value, problem }, setAnswer] = useState<Answer>({})
  const [isBusy, setBusy] = useState(false)
  const compare = async (event: SubmitEvent) => {
    const { text = '', environment = '' } = textsOf(event)
    setBusy(true)
    setAnswer(await compared(text, environment.trim() || undefined))
    setBusy(false)
  }
  return html`<details><summary>What a change would do</summary>
    <p>The gate compares a policy with the one in force, as <code>npx edgewarden diff</code> does. It stores nothing. Leave secrets out.</p>
    <form onSubmit=${compare}>
      <label>wrangler.toml or wrangler.jsonc, or only its vars<textarea name="text" rows="8" required spellcheck=${false}></textarea></label>
      <label>Environment, if not the top level<input name="environment" autocomplete="off" /></label>
      <button type="submit" aria-busy=${isBusy} disabled=${isBusy || isOffline.value}>Compare</button></form>
    <div role="status" aria-label="What changes">${value && html`<${Difference} found=${value} />`}${problem && html`<${Failure} problem=${problem} />`}</div></details>`
}

/** The rules that are in force, what each asks, and who has come through it. */
export function Policy() {
  const policy = useAnswer('/api/policy')
  const since = useMemo(() => Math.floor(Date.now() / 1000) - 86_400, [])
  const used = useAnswer(has('audit:read') && `/api/usage?by=rule,agent&from=${since}`)
  const [wanted, setWanted] = useState('')
  if (!policy.value)
    return html`<h1>Policy</h1><${Pending} asked=${policy} says="Asking for the policy…" />`
  const { routes, issuers, gate } = policy.value
  const groups = list(used.value?.usage)
  const rules = list(routes).filter((rule) =>
    text(rule).toLowerCase().includes(wanted.toLowerCase()),
  )
  const who = (rule: Json) => groups.filter((one) => one.rule === rule.match)
  const asked = ({ match: _, scopes: __, access: ___, mode: ____, ...rest }: Json) => rest
  return html`<h1>Policy</h1>
    <p>This is what the gate decides by.</p><${Change} />
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
                  html`<li><${Link} to=${address('/decisions', { agent: text(one.agent), rule: rule.match, range: '1d' })}>${nameText(one.agent ?? 'unverified')}<//>: ${text(one.decisions)}, refused ${text(one.denied)}</li>`,
              )}</ul>`
        }</section></div></details>`,
    )}
    <h2>Issuers</h2>${Object.entries(objectOf(issuers)).map(
      ([name, issuer]) =>
        html`<details><summary>${name}</summary><${Facts} facts=${issuer as Json} /></details>`,
    )}
    <h2>The gate</h2><details><summary>GATE</summary><${Facts} facts=${gate as Json} /></details>`
}
