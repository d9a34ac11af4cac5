import { useMemo, useState } from 'preact/hooks'
import { readText } from '../../../compare/wrangler/places.ts'
import { objectOf } from '../../../gate/base/json.ts'
import { html } from './html.ts'
import { Badge, Facts, Failure, Link, Moment, Pending, useAnswer } from './parts.ts'
import { Reach } from './reach.ts'
import { needsSentence } from './sentences.ts'
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
  place,
  text,
  textsOf,
} from './state.ts'

const SIDES = { gains: 'Wider', loses: 'Narrower', changes: 'Changed' }

/** What is wider, narrower or changed. */
const sidesOf = (found: Json) =>
  Object.entries(SIDES)
    .filter(([side]) => list(found[side]).length > 0)
    .map(
      ([side, title]) =>
        html`<h2>${title}</h2><ul>${list(found[side]).map((one) => html`<li>${text(one.text)}</li>`)}</ul>`,
    )

/** What changes if a policy takes the place of the one in force. */
function Difference({ found }: { readonly found: Json }) {
  const sides = sidesOf(found)
  const widens = found.widens ? 'Access widens.' : 'Access does not widen.'
  return html`<p class=${found.widens ? 'denied' : 'allowed'}>${sides.length === 0 ? 'Nothing changes.' : widens}</p>
    ${sides}`
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

/** What a deployment changed, asked when it is opened. */
function Changes({ id }: { readonly id: string }) {
  const asked = useAnswer(`/api/console/changes/${encodeURIComponent(id)}`)
  if (!asked.value) return html`<${Pending} asked=${asked} says="Comparing the policies…" />`
  const sides = sidesOf(asked.value)
  if (asked.value.missing) return html`<p>The texts of these policies are not stored.</p>`
  return sides.length > 0
    ? sides
    : html`<p>Nothing that the gate shows of a policy has changed.</p>`
}

/** One deployment: when, which version, and what it changed. */
function Deployment({ act }: { readonly act: Json }) {
  const [isOpen, setOpen] = useState(false)
  const { id, time, version, policy, before } = act
  const what = html`<${Moment} at=${time} /> version ${text(version).slice(0, 8) || 'unknown'}, policy ${text(policy).slice(0, 8)}`
  if (before === undefined || before === policy) {
    return html`<p>${what}: ${before === undefined ? 'the first that the audit has' : 'the same policy'}</p>`
  }
  return html`<details onToggle=${({ currentTarget }: Event) => setOpen((currentTarget as HTMLDetailsElement).open)}>
    <summary>${what}</summary>${isOpen && html`<${Changes} id=${text(id)} />`}</details>`
}

/** The deployments of policies, the latest first. */
function History() {
  const cursor = place.value.searchParams.get('deployments') ?? undefined
  const asked = useAnswer(address('/api/decisions', { kind: 'policy', limit: 20, cursor }))
  const acts = list(asked.value?.decisions)
  const next = asked.value?.cursor
  return html`<section aria-label="History"><h2>History</h2>${
    !asked.value
      ? html`<${Pending} asked=${asked} says="Asking for deployments…" />`
      : acts.length === 0
        ? html`<p class="empty">No deployment is stored. One is stored with the first request that a version answers.</p>`
        : acts.map((act) => html`<${Deployment} key=${text(act.id)} act=${act} />`)
  }${next !== undefined && html`<p><${Link} to=${address('/policy', { deployments: next })}>Older deployments<//></p>`}</section>`
}

/** A rule: what it needs as a sentence, and opened all of it, and who used it. */
function Rule({ rule, used }: { readonly rule: Json; readonly used: readonly Json[] }) {
  const { match, host, mode, ...rest } = rule
  return html`<details class="rule"><summary><code>${text(match)}${host && ` on ${text(host)}`}</code>
    <span>${needsSentence(rule)} ${mode === 'shadow' && html`<${Badge} state="warn">shadow: refusals are forwarded<//>`}</span></summary>
    <div class="columns"><section><h2>All of the rule</h2><${Facts} facts=${rest} /></section>
    <section><h2>Who came, last day</h2>${
      used.length === 0
        ? html`<p>${has('audit:read') ? 'Nobody.' : 'This needs the scope edgewarden:audit:read.'}</p>`
        : html`<ul>${used.map(
            (one) =>
              html`<li><${Link} to=${address('/decisions', { agent: text(one.agent), rule: match, range: '1d' })}>${nameText(one.agent ?? 'unverified')}<//>: ${text(one.decisions)}, refused ${text(one.denied)}</li>`,
          )}</ul>`
    }</section></div></details>`
}

/** The policy in force: who may call what, what each rule needs, what a change would do, and what changed. */
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
  return html`<h1>Policy</h1>
    <${Reach} issuers=${Object.keys(objectOf(issuers))} />
    <section aria-label="Rules"><h2>Rules</h2><p>The gate takes the first rule that fits.</p>
    <label>Find rules<input type="search" value=${wanted}
      onInput=${(event: InputEvent) => setWanted((event.target as HTMLInputElement).value)} /></label>
    ${rules.length === 0 && html`<p class="empty">No rule has this text.</p>`}
    ${rules.map((rule) => html`<${Rule} rule=${rule} used=${groups.filter((one) => one.rule === rule.match)} />`)}</section>
    <${Change} />
    ${has('audit:read') && html`<${History} />`}
    <h2>Issuers</h2>${Object.entries(objectOf(issuers)).map(
      ([name, issuer]) =>
        html`<details><summary>${name}</summary><${Facts} facts=${issuer as Json} /></details>`,
    )}
    <h2>The gate</h2><details><summary>GATE</summary><${Facts} facts=${gate as Json} /></details>`
}
