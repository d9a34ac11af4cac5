import { useEffect, useState } from 'preact/hooks'
import { objectOf } from '../../../gate/base/json.ts'
import { html } from './html.ts'
import { agentPlace, Badge, Facts, Link, Moment, Pending, useAnswer } from './parts.ts'
import { whatText, whomOf, whoText } from './rows.ts'
import { didText, memberText, valueText } from './sentences.ts'
import { address, go, has, type Json, list, nameText, text } from './state.ts'
import { Kill, Revocations } from './stop.ts'

/** The members of a record that each stage has found. */
const FOUND: Readonly<Record<string, readonly string[]>> = {
  route: ['route', 'method', 'path', 'path_values', 'mode'],
  address: ['network', 'country'],
  credential: ['claimed_issuer', 'claimed_kid'],
  issuer: ['issuer'],
  signature: ['kid'],
  claims: ['jti', 'aud', 'iat', 'exp', 'claims'],
  possession: ['possession'],
  delegation: ['actors'],
  agent: ['agent', 'agent_types', 'subject', 'client'],
  workflow: ['workflow'],
  scope: ['token_scopes', 'granted_by'],
  operation: ['mcp'],
  use_scope: ['grant'],
  signing: ['assertion'],
}

/** How many stages run for a request without a token. */
const TOKENLESS = 2

const pick = (from: Json, names: readonly string[] = []): Json =>
  Object.fromEntries(names.map((name) => [name, from[name]]))

/** Members of a refusal's detail that say what was wanted. The others say what was found. */
const WANTED = /^(?:required|wanted|expected|allowed|accepted|any_of|most|max|limit)/

/** What was wanted beside what was found. */
function Wanted({ detail }: { readonly detail: Json }) {
  const members = Object.entries(detail)
  const side = (isWanted: boolean) =>
    members
      .filter(([name]) => WANTED.test(name) === isWanted)
      .map(
        ([name, value]) =>
          html`<p><small>${memberText(name)}</small><br /><code>${valueText(value)}</code></p>`,
      )
  const [wanted, found] = [side(true), side(false)]
  return (
    members.length > 0 &&
    html`<div class="beside">${wanted.length > 0 && html`<section aria-label="Wanted"><h2>Wanted</h2>${wanted}</section>`}
      ${found.length > 0 && html`<section aria-label="Found"><h2>Found</h2>${found}</section>`}</div>`
  )
}

/** The answer in a sentence, why it was so, and what to do about it. */
function Verdict({ record }: { readonly record: Json }) {
  const codes = useAnswer<Readonly<Record<string, readonly string[]>>>('/codes.json')
  const { code, decision, would_deny } = record
  const isDenied = decision === 'denied'
  const [, why, hint] = codes.value?.[text(code)] ?? []
  return html`<h1><${Badge} state=${decision}>${isDenied ? 'Refused' : 'Allowed'}<//> <bdi>${whoText(record)}</bdi> ${isDenied ? 'may not call' : 'called'} <bdi>${whatText(record)}</bdi></h1>
    ${
      code !== undefined &&
      html`<div class=${`notice ${isDenied ? 'denied' : 'warn'} why`}>
      ${would_deny === true && html`<p>The rule only watches (mode shadow). In mode enforce it would have refused.</p>`}
      <p><strong>${why ?? 'The gate has no words for this code.'}</strong> <${Link} to=${address('/decisions', { code })}><code>${code}</code><//></p>
      ${hint && html`<p>What to do: ${hint}.</p>`}
      <${Wanted} detail=${objectOf(record.detail)} /></div>`
    }
    <p class="facts"><${Moment} at=${record.time} /> · status ${text(record.status)}${record.origin_status !== undefined && html` · the origin answered ${text(record.origin_status)}`} · ${text(record.duration)} ms · request id <code>${text(record.request_id)}</code></p>`
}

/** Every stage in its order: those before the refusal have passed, and those after it have not run. */
function Stages({ record }: { readonly record: Json }) {
  const stages = useAnswer<readonly Json[]>('/stages.json')
  const all = stages.value
  if (!all) return html`<${Pending} asked=${stages} says="Asking for the stages…" />`
  const at = all.findIndex(({ codes }) => (codes as unknown[]).includes(record.code))
  const denied = record.decision === 'allowed' ? 'would deny' : 'denied'
  // If no stage refused, all have run: without a token only the first, and without a rule none.
  const run = at >= 0 ? at : record.issuer ? all.length : record.route ? TOKENLESS : 0
  const outcome = (index: number) => (index < run ? 'passed' : index === at ? denied : 'not run')
  const waits = objectOf(record.ms)
  const row = ({ name, establishes }: Json, index: number) => {
    const result = outcome(index)
    const found = {
      ...pick(record, FOUND[text(name)]),
      ...(index === at && (record.detail as Json)),
    }
    return html`<li class=${result === 'passed' ? 'allowed' : result === 'denied' ? 'denied' : 'none'}>
      <details open=${index === at}><summary>${text(name)}: ${result}${waits[text(name)] !== undefined && html` <small>${text(waits[text(name)])} ms</small>`}</summary>
      <p>Checks: ${text(establishes)}</p>${result !== 'not run' && html`<${Facts} facts=${found} />`}</details></li>`
  }
  const rows = all.map(row)
  const part = (from: number, to: number, says: string) =>
    to > from &&
    html`<details><summary>${to - from} ${says}</summary><ol class="stages" start=${from + 1}>${rows.slice(from, to)}</ol></details>`
  return html`${part(0, run, 'passed')}${at >= 0 && html`<ol class="stages" start=${at + 1}>${rows[at]}</ol>`}
    ${part(at >= 0 ? at + 1 : run, all.length, 'not run')}`
}

/** A picture of who acts for whom: the subject, the actors, the agent, and the rule. */
function Chain({ record }: { readonly record: Json }) {
  const agent = nameText(
    record.agent_name ?? record.agent ?? record.claimed_issuer ?? 'somebody unverified',
  )
  const actors = list(record.actors).map(({ sub }) => nameText(sub))
  const before = [nameText(record.subject), ...actors.reverse()]
  const links = [
    ...before.filter((one) => one && one !== nameText(record.agent)),
    agent,
    text(record.route ?? 'no rule'),
  ]
  const cut = (name: string) => (name.length > 40 ? `${name.slice(0, 39)}…` : name)
  return html`<svg viewBox=${`0 0 340 ${links.length * 64 - 20}`} role="img" class="chain"
    aria-label=${`Who acts for whom: ${links.join(', then ')}`}>
    ${links.map(
      (name, index) => html`<g transform=${`translate(0 ${index * 64})`}>
        ${index > 0 && html`<path d="M170 -20v18m-5 -6l5 6l5 -6" /><text x="182" y="-6" class="role">${index < links.length - 1 ? 'acts through' : record.decision === 'denied' ? 'may not call' : 'called'}</text>`}
        <rect x="1" y="1" width="338" height="42" rx="6" class=${index === links.length - 1 ? text(record.decision) : ''} />
        <text x="170" y="27" text-anchor="middle">${cut(name)}<title>${name}</title></text></g>`,
    )}</svg>`
}

/** The keys of a table at the time of the decision, and today if they differ. */
function Compared({ then = {}, now }: { then: Json | undefined; now: Json | undefined }) {
  const names = [...new Set([...Object.keys(then), ...Object.keys(now ?? {})])]
  const isSame = (name: string) => text(then[name]) === text(now?.[name])
  return html`<table><thead><tr><th>Key</th><th>Then</th><th>Today</th></tr></thead><tbody>${names.map(
    (name) => html`<tr class=${isSame(name) ? '' : 'changed'}><th scope="row">${name}</th>
      <td>${text(then[name])}</td><td>${isSame(name) ? 'same' : now ? text(now[name]) || 'not set' : 'no rule'}</td></tr>`,
  )}</tbody></table>`
}

/** A policy as one table: each key of GATE, and each issuer and rule. */
const flat = (policy: Json): Json =>
  Object.fromEntries(
    Object.entries(policy).flatMap(([table, value]) =>
      Array.isArray(value)
        ? value.map((rule) => [text(rule.match), rule])
        : Object.entries(value as Json).map(([name, one]) => [`${table}.${name}`, one]),
    ),
  )

/** The whole policy at the time of the decision, and today. */
function Policies({ id }: { readonly id: string }) {
  const found = useAnswer(`/api/decisions/${id}?policy=true`)
  const today = useAnswer('/api/policy')
  if (!found.value || !today.value) {
    const asked = found.problem ? found : today
    return html`<${Pending} asked=${asked} says="Asking for both policies…" />`
  }
  const then = found.value.policy
  return then
    ? html`<${Compared} then=${flat(objectOf(then))} now=${flat(today.value)} />`
    : html`<p>No policy is stored with this decision, or you may not see it.</p>`
}

/** Where the rule at the time of the decision and today's differ, and the whole rule on demand. */
function Rules({ then, today }: { then: Json | undefined; today: Json }) {
  const now = today.rule as Json | undefined
  if (!then && !now)
    return html`<p>No rule is stored with this decision, or you may not see it.</p>`
  const names = [...new Set([...Object.keys(then ?? {}), ...Object.keys(now ?? {})])]
  const other = names.filter((name) => text(then?.[name]) !== text(now?.[name]))
  const says = !today.changed
    ? 'The policy is the same today.'
    : `The policy has changed since. ${other.length === 0 ? 'This rule is the same.' : 'This rule differs:'}`
  return html`<p>${says}</p>
    ${other.length > 0 && html`<${Compared} then=${pick(then ?? {}, other)} now=${now && pick(now, other)} />`}
    <details><summary>The whole rule</summary><${Facts} facts=${then ?? now} asIs /></details>`
}

/** What the record of an act may say beside who did it, and to whom. */
const DONE =
  'filters keys records alert signal watch usual seen requests quarantine version before approval'.split(
    ' ',
  )

/** The name of what an act hit: that of an agent leads to its page. */
function Whom({ of: one }: { readonly of: Json }) {
  const isAgent = (one.kind ?? 'agent') === 'agent'
  const name = html`<bdi>${nameText(one.value) || text(one.issuer)}</bdi>`
  return isAgent && has('agents')
    ? html`<${Link} to=${agentPlace({ issuer: one.issuer, agent: one.value })}>${name}<//>`
    : name
}

/** Most names in the sentence of an act. The others are below. */
const MOST = 3

/** An act of an administrator or the gate: in a sentence who did what to whom and why, then how the call was answered. */
function Done({ record }: { readonly record: Json }) {
  const { decision, request_id } = record
  const isElsewhere = decision === undefined && request_id !== undefined
  const { value } = useAnswer(isElsewhere && address('/api/decisions', { limit: 20, request_id }))
  const isCall = ({ decision, agent }: Json) => decision !== undefined && agent === record.agent
  const call = [record, ...list(value?.decisions)].find(isCall)
  const whom = whomOf(record)
  const reasons = [...new Set(whom.flatMap(({ reason }) => (reason ? [text(reason)] : [])))]
  const further = whom.length - MOST
  const who = whoText({ ...record, agent_name: call?.agent_name })
  return html`<h1><bdi>${who}</bdi> ${didText(text(record.act))} ${whom
    .slice(0, MOST)
    .map(
      (one, at) =>
        html`${at > 0 && ', '}${one.kind !== undefined && `${text(one.kind)} `}<${Whom} of=${one} />`,
    )}${further > 0 && ` and ${further} more`}</h1>
    ${reasons.length > 0 && html`<p class="notice why">Why: <bdi>${reasons.join(', ')}</bdi></p>`}
    <p class="facts"><${Moment} at=${record.time} />${call && html` · <${Badge} state=${call.decision}>${text(call.code ?? call.decision)}<//> · status ${text(call.status)} · <${Link} to=${`/decisions/${text(call.id)}`}>the call<//>`}${request_id !== undefined && html` · request id <code>${text(request_id)}</code>`}</p>
    <div class="columns"><section aria-label="Who"><h2>Who did it</h2>${
      record.act === 'alert' || record.agent === undefined
        ? html`<p>The gate itself: no call asked for it.</p>`
        : html`<${Facts} facts=${{ name: call?.agent_name, ...pick(record, ['operator', 'agent', 'issuer', 'subject', 'client']) }} />`
    }</section>
    <section aria-label="To whom"><h2>To whom</h2>${
      whom.length > 0 &&
      html`<ul class="plain">${whom.map((one) => html`<li>${text(one.kind ?? 'agent')} <${Whom} of=${one} /> of <bdi>${text(one.issuer)}</bdi><${Facts} facts=${pick(one, ['status', 'reason', 'mode', 'expires', 'id'])} /></li>`)}</ul>`
    }<${Facts} facts=${pick(record, DONE)} /></section></div>`
}

/** One decision, by its id or its request id: every stage, who acts for whom, the rule then and today. */
export function Decision({ id }: { readonly id: string }) {
  const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)
  const [isWhole, setWhole] = useState(false)
  const direct = useAnswer(isId && `/api/decisions/${id}`)
  const isMissing = !isId || direct.problem?.code === 'decision_unknown'
  // A decision is stored a little later than it is made.
  const named = useAnswer(
    isMissing && address('/api/decisions', { limit: 50, request_id: id }),
    2_000,
  )
  useEffect(() => {
    const [first, ...others] = list(named.value?.decisions)
    if (first && others.length === 0) go(`/decisions/${text(first.id)}`, false)
  }, [named.value])
  if (named.value) {
    const found = list(named.value.decisions)
    return html`<h1>Decision</h1>${
      found.length === 0
        ? html`<p class="empty">No decision has the id ${id}. The decision may be too old to be kept, or not be stored yet: storing takes about two seconds. The page goes on looking.</p>`
        : html`<ul>${found.map((one) => html`<li><${Link} to=${`/decisions/${text(one.id)}`}><${Moment} at=${one.time} /> ${text(one.code ?? one.decision)}<//></li>`)}</ul>`
    }`
  }
  if (!direct.value) {
    const asked = isMissing ? named : direct
    return html`<h1>Decision</h1><${Pending} asked=${asked} says="Looking for it…" />`
  }
  const record = direct.value.decision as Json
  const { rule } = direct.value
  const today = objectOf(direct.value.today)
  const stored = html`<details><summary>The record as it is stored</summary><pre><code>${JSON.stringify(record, null, 2)}</code></pre></details>`
  if (record.kind === 'act') return html`<${Done} record=${record} />${stored}`
  const isKnown = record.agent !== undefined
  return html`<${Verdict} record=${record} />
    <div class="columns"><section aria-label="Who"><h2>Who acts for whom</h2><${Chain} record=${record} />
      ${
        isKnown &&
        html`<p><${Link} to=${address('/decisions', { agent: record.agent_name ?? record.agent, issuer: record.issuer, range: '7d' })}>All decisions of this agent<//>${
          has('agents') && html` · <${Link} to=${agentPlace(record)}>This agent in the registry<//>`
        }</p>`
      }</section>
    <section aria-label="Stages"><h2>Every stage</h2><${Stages} record=${record} />
      ${isKnown && html`<h2>Stop it</h2>`}
      <${Revocations} found=${today.revocations} again=${direct.again} /><${Kill} of=${record} again=${direct.again} /></section></div>
    <h2>The rule, then and today</h2><${Rules} then=${rule as Json | undefined} today=${today} />
    <details onToggle=${() => setWhole(true)}><summary>The whole policy, then and today</summary>${isWhole && html`<${Policies} id=${text(record.id)} />`}</details>
    ${stored}`
}
