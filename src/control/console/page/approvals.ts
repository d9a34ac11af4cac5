import { useEffect, useState } from 'preact/hooks'
import { objectOf } from '../../../gate/base/json.ts'
import { MCP_KINDS } from '../../../gate/model/mcp.ts'
import { html } from './html.ts'
import {
  Act,
  type Asked,
  Badge,
  Failure,
  Link,
  Moment,
  Pending,
  Table,
  useAnswer,
} from './parts.ts'
import { address, ask, type Json, list, nameText, type Problem, place, text } from './state.ts'
import { counted } from './stop.ts'

/** Milliseconds between two looks at the gate: somebody else may decide, or an agent may ask. */
export const EVERY_MS = 10_000

/** Where the gate lists the calls that wait. */
const WAITING = address('/api/approvals', { state: 'waiting' })

/** How the states of an approval look, and what they are called. */
const STATES: Readonly<Record<string, readonly [look: string, word: string]>> = {
  waiting: ['warn', 'waits'],
  granted: ['allowed', 'approved'],
  taken: ['allowed', 'approved and used'],
  refused: ['denied', 'refused'],
  expired: ['none', 'expired'],
  ended: ['none', 'ended'],
}

/** The state of an approval as a word with a shape. */
export function State({ of: { state } }: { readonly of: Json }) {
  const [look, word] = STATES[text(state)] ?? ['none', text(state)]
  return html`<${Badge} state=${look}>${word}<//>`
}

/** The rule of a call, and its tool, prompt or resource. */
export function callText({ shown }: Json): string {
  const call = objectOf(shown)
  const named = MCP_KINDS.flatMap((kind) => (call[kind] ? [text(objectOf(call[kind]).text)] : []))
  return [text(call.rule), ...named.map(nameText)].join(' · ')
}

/** The agent that asks, as origins see it. */
export function askerText({ shown, agent }: Json): string {
  return nameText(objectOf(objectOf(shown).agent).name ?? agent)
}

/** Who decided, when and why; nothing where nobody did. */
export function Decided({ of: { decision } }: { readonly of: Json }) {
  const { by, at, reason } = objectOf(decision)
  if (by === undefined) return html``
  const { subject, issuer } = objectOf(by)
  return html`by <bdi>${nameText(subject)}</bdi> of <bdi>${text(issuer)}</bdi>, <${Moment} at=${at} />${reason !== undefined && html`: <bdi>${text(reason)}</bdi>`}`
}

/** The time that is left until a moment, second by second. */
export function Left({ until }: { readonly until: unknown }) {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  const left = Math.max(0, Date.parse(text(until)) - now)
  return html`<span>${new Date(left).toISOString().slice(11, 19)}</span>`
}

/** A path of the page with an approval. */
export function approvalPlace({ id }: Json): string {
  return `/approvals/${encodeURIComponent(text(id))}`
}

/** Shown in place of approvals: that the gate has none, or why there is no answer. */
export function NoApprovals({ asked }: { readonly asked: Asked }) {
  return asked.problem?.code === 'route_unknown'
    ? html`<p class="empty">This gate has no approvals: its Worker lacks the binding APPROVALS. Add it to wrangler.toml, as docs/approvals.md says.</p>`
    : html`<${Pending} asked=${asked} says="Asking for approvals…" />`
}

/** A table of approvals that were decided or have ended. */
export function DecidedTable({ of }: { readonly of: readonly Json[] }) {
  return html`<${Table} head=${['Asked', 'Who', 'What', 'Decision']} rows=${of.map((one) => [
    html`<${Link} to=${approvalPlace(one)}><${Moment} at=${one.asked} /><//>`,
    askerText(one),
    callText(one),
    html`<${State} of=${one} /> <${Decided} of=${one} />`,
  ])} />`
}

const waitingTable = (of: readonly Json[]) =>
  html`<${Table} head=${['Asked', 'Who', 'What', 'Time left']} rows=${of.map((one) => [
    html`<${Link} to=${approvalPlace(one)}><${Moment} at=${one.asked} /><//>`,
    askerText(one),
    callText(one),
    html`<${Left} until=${one.expires} />`,
  ])} />`

/** How often a standing approval was used; nothing of others. */
export function usesText({ standing }: Json): string {
  const { uses, used } = objectOf(standing)
  return uses === undefined ? '' : `${text(used)} of ${text(uses)} uses`
}

/** The button that ends a granted approval, with a confirmation. */
export function Ending({
  of,
  done,
}: {
  readonly of: Json
  readonly done: (problem: Problem | undefined) => void
}) {
  const end = async () => done((await ask(`/api${approvalPlace(of)}`, 'DELETE')).problem)
  return html`<${Act} label="End" isStop act=${end}
    says=${html`<bdi>${askerText(of)}</bdi>: <bdi>${callText(of)}</bdi>. The next call waits for a person again.`} />`
}

const standingTable = (of: readonly Json[], done: (problem: Problem | undefined) => void) =>
  html`<${Table} head=${['Asked', 'Who', 'What', 'Approved', 'Used', 'Time left', 'Act']} rows=${of.map(
    (one) => [
      html`<${Link} to=${approvalPlace(one)}><${Moment} at=${one.asked} /><//>`,
      askerText(one),
      callText(one),
      html`<${Decided} of=${one} />`,
      usesText(one),
      html`<${Left} until=${one.expires} />`,
      // Whoever may decide may end it: this one is only decided already.
      one.may_decide === 'approval_decided' && html`<${Ending} of=${one} done=${done} />`,
    ],
  )} />`

/** A link to the calls that wait for a person, where there are any that the person may see. */
export function Calls() {
  const asked = useAnswer(WAITING, 60_000)
  const count = list(asked.value?.approvals).length
  const isMore = asked.value?.cursor !== undefined
  if (count === 0) return html``
  return html`<p><${Link} to="/approvals"><${Badge} state="warn">${isMore && 'at least '}${counted(count, 'call waits', 'calls wait')} for a person<//><//></p>`
}

/** Which approvals a list has, by the state in its address: its name, and what it says where it is empty. */
const LISTS: Readonly<Record<string, readonly [name: string, empty: string]>> = {
  waiting: ['Waiting', 'No call waits for a person.'],
  standing: ['Standing', 'No call is approved beforehand.'],
  decided: ['Decided', 'No decision can be read: they are kept for three days.'],
}

/** Calls that wait for a person, standing approvals, or what was decided: the address says which. */
export function Approvals() {
  const named = place.value.searchParams.get('state') ?? 'waiting'
  const state = Object.hasOwn(LISTS, named) ? named : 'waiting'
  const [, empty] = LISTS[state] ?? []
  const cursor = place.value.searchParams.get('cursor') ?? undefined
  const asked = useAnswer(address('/api/approvals', { state, cursor }), EVERY_MS)
  const next = asked.value?.cursor
  const [problem, setProblem] = useState<Problem | undefined>(undefined)
  const done = (failed: Problem | undefined) => {
    setProblem(failed)
    asked.again()
  }
  const found = list(asked.value?.approvals)
  const tab = (of: string, name: string) =>
    html`<${Link} to=${of === 'waiting' ? '/approvals' : `/approvals?state=${of}`} aria-current=${of === state ? 'page' : undefined}>${name}<//>`
  return html`<h1>Approvals</h1>
    <nav aria-label="Which approvals">${Object.entries(LISTS).map(([of, [name]]) => tab(of, name))}</nav>
    ${problem && html`<${Failure} problem=${problem} />`}
    ${
      !asked.value
        ? html`<${NoApprovals} asked=${asked} />`
        : found.length === 0
          ? html`<p class="empty">${cursor === undefined && next === undefined ? empty : 'None here.'}</p>`
          : state === 'waiting'
            ? waitingTable(found)
            : state === 'standing'
              ? standingTable(found, done)
              : html`<${DecidedTable} of=${found} />`
    }
    ${next !== undefined && html`<p><${Link} to=${address('/approvals', { state, cursor: next })}>The ones that follow<//></p>`}`
}
