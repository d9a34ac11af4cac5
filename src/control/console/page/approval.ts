import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { objectOf } from '../../../gate/base/json.ts'
import { printable } from '../../../gate/base/text.ts'
import {
  approvalPlace,
  askerText,
  callText,
  Decided,
  DecidedTable,
  Ending,
  EVERY_MS,
  Left,
  NoApprovals,
  State,
  usesText,
} from './approvals.ts'
import { html } from './html.ts'
import { Act, Failure, Link, Moment, Pending, useAnswer } from './parts.ts'
import { type Codes, People } from './people.ts'
import { address, ask, has, type Json, list, nameText, type Problem, text } from './state.ts'
import { counted } from './stop.ts'

/** Most characters of a reason. */
const LONGEST_REASON = 500

/** A text of the caller exactly, and how long it is: a space or a line break that a page does not show is an escape. */
function Exact({ of }: { readonly of: unknown }) {
  const { text: all = '', length } = objectOf(of)
  const says = text(all)
  if (says === '') return html`<small>empty</small>`
  const whole = counted(Number(length ?? says.length), 'character', 'characters')
  const letters = /[^\x20-\x7e]/.test(says) ? ', not only letters of ASCII' : ''
  return html`<code>${printable(nameText(says))}</code> <small>${length === undefined ? whole : `the first ${says.length} of ${whole}`}${letters}</small>`
}

/** Names and what they stand for. */
const named = (rows: readonly (readonly [name: string, of: unknown])[]) =>
  html`<dl>${rows.map(([name, of]) => html`<dt>${nameText(name)}</dt><dd>${of}</dd>`)}</dl>`

/** Pairs of a name and a text. */
const pairs = (of: unknown): readonly (readonly [string, unknown])[] =>
  (list(of) as unknown as readonly (readonly [string, Json])[]).map(([name, value]) => [
    name,
    html`<${Exact} of=${value} />`,
  ])

/** A text that the gate has verified. */
const verified = (of: unknown) => html`<code>${printable(nameText(of))}</code>`

/** Who calls, for whom, and through whom. */
function Who({ agent }: { readonly agent: Json }) {
  const { name, id, issuer, subject, clientId, type, workflowId, step, actors } = agent
  const members: Json = { Agent: name, Id: id, Issuer: issuer, Subject: subject, Client: clientId }
  const more: Json = { ...members, Type: type, Workflow: workflowId, Step: step }
  const given = Object.entries(more).filter(([, value]) => value !== undefined)
  const through = list(actors).map(({ sub, issuer }) => `${nameText(sub)} of ${text(issuer)}`)
  return named([
    ...given.map(([name, value]) => [name, verified(value)] as const),
    ...(through.length > 0 ? [['Acts through', verified(through.join(', '))] as const] : []),
  ])
}

/** Kinds of MCP as a person reads them. */
const KINDS: Json = { tools: 'Tool', prompts: 'Prompt', resources: 'Resource' }

/** What exactly would be sent, as far as it is shown. */
function What({ call }: { readonly call: Json }) {
  const kinds = Object.entries(KINDS).filter(([kind]) => call[kind] !== undefined)
  return named([
    ['Rule', verified(call.rule)],
    ['Method', verified(call.method)],
    ['Host', verified(call.host)],
    ['Path', html`<${Exact} of=${call.path} />`],
    ['Query', html`<${Exact} of=${call.query} />`],
    ...kinds.map(([kind, name]) => [text(name), html`<${Exact} of=${call[kind]} />`] as const),
    ...pairs(call.values),
    ...pairs(call.headers).map(([name, of]) => [`Header ${name}`, of] as const),
  ])
}

/** Whether the values that are shown are of the body, and not of the arguments of a call. */
const isOfBody = (call: Json): boolean =>
  Object.keys(KINDS).every((kind) => call[kind] === undefined)

/** What the approval is for and the page does not show, and what it is not for. */
function NotShown({ call }: { readonly call: Json }) {
  const { body, not_shown: names, not_listed: others } = call
  const { bytes, type } = objectOf(body)
  const isNamed = call.values !== undefined
  return html`<ul>
    ${list(names).length > 0 && html`<li>Not shown, and approved with the call, are these ${isOfBody(call) ? 'members of the body' : 'arguments'}: ${list(names).map((one, at) => html`${at > 0 && ', '}<${Exact} of=${one} />`)}${others !== undefined && `, and ${text(others)} more`}.</li>`}
    ${!isNamed && body !== undefined && html`<li>Not shown, and approved with the call, is its body of ${counted(Number(bytes), 'byte', 'bytes')}${type !== null && html`, <${Exact} of=${{ text: text(type) }} />`}.</li>`}
    <li>Headers beside Content-Type, Content-Encoding and those above are not part of the approval. The agent may change them.</li>
    <li>The agent, or who speaks through it, wrote these texts. Nobody has checked them.</li></ul>`
}

/** What the agent did in the last hour, by rule. */
function LastHour({ issuer, agent }: { readonly issuer: unknown; readonly agent: unknown }) {
  const from = useMemo(() => Math.floor(Date.now() / 1000) - 3_600, [])
  const query = { by: 'rule', own: 'false', from, issuer, agent }
  const asked = useAnswer(has('audit:read') && address('/api/usage', query))
  if (!has('audit:read'))
    return html`<p class="empty">What it did needs the scope edgewarden:audit:read.</p>`
  if (!asked.value) return html`<${Pending} asked=${asked} says="Counting…" />`
  const used = list(asked.value.usage)
  return used.length === 0
    ? html`<p class="empty">Nothing is stored of it in the last hour.</p>`
    : html`<ul>${used.map(({ rule, decisions, denied }) => html`<li><code>${text(rule ?? 'no rule')}</code>: ${counted(Number(decisions), 'call', 'calls')}, ${text(denied)} of them refused</li>`)}</ul>`
}

/** Calls of the agent by the same rule and tool that were decided before. */
function Alike({ of }: { readonly of: Json }) {
  const { id, by, issuer, agent } = of
  // An owner may have no reach to the agent's issuer.
  const query = { state: 'decided', issuer: by === 'owners' ? undefined : issuer, limit: 1_000 }
  const asked = useAnswer(address('/api/approvals', query))
  if (!asked.value) return html`<${Pending} asked=${asked} says="Asking for calls like it…" />`
  const like = list(asked.value.approvals).filter(
    (one) => one.agent === agent && one.id !== id && callText(one) === callText(of),
  )
  return like.length === 0
    ? html`<p class="empty">None of those that can be read.</p>`
    : html`<${DecidedTable} of=${like} />`
}

/** Codes after which a person who signs in may decide. */
const SIGN_IN = ['approval_person_needed', 'approval_sign_in_old']

/** Why the person may not decide, and what to do. */
function MayNot({ code, fail }: { readonly code: string; readonly fail: (of?: Problem) => void }) {
  const codes = useAnswer<Codes>('/codes.json').value
  const [, title = code, hint = ''] = codes?.[code] ?? []
  return html`<p class="notice warn"><strong>You cannot decide on this call.</strong> ${title}. ${hint}${hint && '.'} <small>Code <code>${code}</code></small></p>
    ${SIGN_IN.includes(code) && html`<${People} fail=${fail} />`}`
}

/** Which calls are like one. */
const alikeText = (call: Json): string => {
  const { values, body } = call
  if (values === undefined) {
    return `with the same address${body === undefined ? '' : ' and any body. A message to an MCP server has to be the same'}`
  }
  const named = list(values).map((pair) => text(Object.values(pair)[0]))
  if (named.length === 0) return 'with all the same arguments'
  return isOfBody(call)
    ? `with the same address and the same ${named.join(', ')}. Other members of the body may be any`
    : `with the same ${named.join(', ')}. Their other arguments may be any`
}

/** The buttons with which a person decides, each with a confirmation. */
function Buttons({
  of,
  done,
}: {
  readonly of: Json
  readonly done: (problem: Problem | undefined) => void
}) {
  const decide = (decision: string) => async (texts: Readonly<Record<string, string>>) => {
    const { reason, uses, time } = texts
    const standing = uses ? { uses: Number(uses), for: time } : undefined
    const body = {
      ...{ decision, standing, reason: reason || undefined },
      shown_digest: of.shown_digest,
    }
    const { problem } = await ask(`/api${approvalPlace(of)}`, 'POST', body)
    done(problem)
  }
  const what = html`<bdi>${askerText(of)}</bdi>: <bdi>${callText(of)}</bdi>.`
  return html`<${Act} label="Approve" act=${decide('approve')}
      says=${html`${what} Exactly this call goes through once, until <${Moment} at=${of.expires} />.`} />
    <${Act} label="Allow calls like it" act=${decide('approve')}
      says=${html`${what} This call goes through, and others of the agent ${alikeText(objectOf(of.shown))}.`}>
      <label>Calls, this one included<input name="uses" type="number" required min="1" max="100" value="10" /></label>
      <label>Time<select name="time">${TIMES.map(([time, says]) => html`<option value=${time}>${says}</option>`)}</select></label>
      <label>Reason<input name="reason" required maxlength=${LONGEST_REASON} /></label><//>
    <${Act} label="Refuse" isStop act=${decide('refuse')}
      says=${html`${what} The agent is refused this call, also if it sends the call again soon, and reads your reason.`}>
      <label>Reason<input name="reason" required maxlength=${LONGEST_REASON} /></label><//>`
}

/** For how long calls like one may be allowed. */
const TIMES = [
  ['1h', '1 hour'],
  ['8h', '8 hours'],
  ['1d', '1 day'],
] as const

/** One call for which a person is asked: who, what exactly, what else is known, and the decision. */
export function Approval({ id }: { readonly id: string }) {
  const asked = useAnswer(`/api${approvalPlace({ id })}`, EVERY_MS)
  const [problem, setProblem] = useState<Problem | undefined>(undefined)
  const [isDone, setDone] = useState(false)
  const said = useRef<HTMLParagraphElement>(null)
  // A failed look takes nothing from the page, such as a reason that is being written.
  const known = useRef(asked.value)
  if (asked.value) known.current = asked.value
  const { current: of } = known
  const isWaiting = of?.state === 'waiting'
  useEffect(() => {
    // The button that had the focus is gone.
    if (isDone && !isWaiting) said.current?.focus()
  }, [isDone, isWaiting])
  const back = html`<p><${Link} to="/approvals">All approvals<//></p>`
  if (!of) return html`<h1>Approval</h1>${back}<${NoApprovals} asked=${asked} />`
  const call = objectOf(of.shown)
  const done = (found: Problem | undefined) => {
    setProblem(found)
    setDone(true)
    asked.again()
  }
  return html`<h1>Approval: <${State} of=${of} /></h1>${back}
    <p class=${`notice ${isWaiting ? 'warn' : ''}`} role="status" tabindex="-1" ref=${said}><b>${askerText(of)}</b> ${isWaiting ? 'asks' : 'asked'} for <b>${callText(of)}</b>, <${Moment} at=${of.asked} />.
      ${of.decision !== undefined && html`<${State} of=${of} /> <${Decided} of=${of} />.`} ${nextText(of)}</p>
    ${of.state === 'granted' && of.may_decide === 'approval_decided' && html`<p><${Ending} of=${of} done=${done} /></p>`}
    ${isWaiting && html`<p>Time left: <${Left} until=${of.expires} /></p>`}
    ${problem && html`<${Failure} problem=${problem} />`}
    <div class="columns"><section aria-label="Who"><h2>Who asks</h2><${Who} agent=${objectOf(call.agent)} /></section>
    <section aria-label="What"><h2>What exactly</h2><${What} call=${call} /></section></div>
    <section aria-label="Not shown"><h2>What you do not see</h2><${NotShown} call=${call} /></section>
    ${
      isWaiting &&
      html`<section aria-label="Decide"><h2>Decide</h2>${
        of.may_decide === true
          ? html`<${Buttons} of=${of} done=${done} />`
          : html`<${MayNot} code=${text(of.may_decide)} fail=${setProblem} />`
      }</section>`
    }
    <div class="columns"><section aria-label="Last hour"><h2>What it did in the last hour</h2><${LastHour} issuer=${of.issuer} agent=${of.agent} /></section>
    <section aria-label="Alike"><h2>How calls like it were decided</h2><${Alike} of=${of} /></section></div>
    <small>Id of the approval <code>${text(of.id)}</code>. Digest of what is shown <code>${text(of.shown_digest)}</code></small>`
}

/** What comes next. */
const nextText = (of: Json): string => {
  const uses = usesText(of)
  if (uses === '') return text(NEXT[text(of.state)])
  return `${uses}.${of.state === 'granted' ? ' Calls like it go through until all are used, or until it ends.' : ''}`
}

/** What comes next for one call, by the state. */
const NEXT: Json = {
  granted: 'It goes through once, as soon as the agent sends it again.',
  taken: 'It went through once. The next one is asked for anew.',
  expired: 'Nobody decided in time, or the agent did not use the approval.',
}
