import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { html } from './html.ts'
import { memberText, valueText } from './sentences.ts'
import {
  type Answer,
  address,
  ask,
  go,
  isOffline,
  isUtc,
  type Json,
  type Problem,
  text,
  textsOf,
  time,
} from './state.ts'

/** What a component has between its tags. */
type Inside = { readonly children?: unknown }

/** A link within the page. In another tab it opens as any link does. */
export function Link({ to, children, ...rest }: { readonly to: string } & Inside & Json) {
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return
    event.preventDefault()
    go(to)
    scrollTo(0, 0)
  }
  return html`<a ...${rest} href=${to} onClick=${follow}>${children}</a>`
}

/** Why there is nothing to see, what to do about it, and the id to quote when one asks for help. */
export function Failure({ problem, again }: { problem: Problem; again?: () => void }) {
  const { title, hint, problems, code, request_id } = problem
  return html`<article role="alert" class="failure">
    <strong>${title}</strong><p>${hint}.</p>
    ${problems && html`<ul>${problems.map(({ path, message, line, column }) => html`<li>${line !== undefined && html`line ${text(line)}, column ${text(column)}: `}${path && html`<code>${text(path)}</code> `}${text(message).split('\n', 1)}</li>`)}</ul>`}
    <small>Code <code>${code}</code>${request_id && html`. Request id to quote: <code>${request_id}</code>`}</small>
    ${again && html`<p><button type="button" class="quiet" onClick=${again}>Try again</button></p>`}
  </article>`
}

/** A state as a word with a shape and a colour. */
export function Badge({
  state,
  children,
}: { state: 'allowed' | 'denied' | 'warn' | 'none' } & Inside) {
  return html`<span class=${`badge ${state}`}>${children}</span>`
}

/** What has happened, read aloud when it changes. */
export function Notice({ state = '', children }: { readonly state?: '' | 'warn' } & Inside) {
  return html`<p role="status" class=${`notice ${state}`}>${children}</p>`
}

/** A table. On a phone each row is a card, in which the column's name is before each value but the first. */
export function Table({ head, rows }: { head: readonly string[]; rows: readonly unknown[][] }) {
  const side = (at: number) => (typeof rows[0]?.[at] === 'number' ? 'number' : undefined)
  const cell = (one: unknown, at: number) =>
    html`<td role="cell" data-label=${at > 0 ? head[at] : undefined} class=${side(at)}>${one}</td>`
  // In Safari a row that is shown as a card is no row, unless it has the role.
  return html`<table role="table" class="stack"><thead role="rowgroup"><tr role="row">${head.map((name, at) => html`<th role="columnheader" scope="col" class=${side(at)}>${name}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<tr role="row">${row.map(cell)}</tr>`)}</tbody></table>`
}

/** Shown in place of a value: why there is no value, or that it is still loading. */
export function Pending({ asked, says }: { asked: Asked<unknown>; says: string }) {
  const { problem, again } = asked
  return problem
    ? html`<${Failure} problem=${problem} again=${again} />`
    : html`<p aria-busy="true">${says}</p>`
}

/** A question to the gate, its answer, and how to ask again. */
export type Asked<Value = Json> = ReturnType<typeof useAnswer<Value>>

/** Asks the gate: again when `path` changes, and every so many milliseconds while the page is seen. */
export function useAnswer<Value = Json>(path: string | false, everyMs?: number) {
  const [answer, setAnswer] = useState<Answer<Value>>({})
  const [tries, setTries] = useState(0)
  useEffect(() => {
    let isOver = false
    const load = async () => {
      if (path === false) return
      const found = await ask<Value>(path)
      if (!isOver) setAnswer(found)
    }
    void load()
    const timer = everyMs && setInterval(() => document.hidden || void load(), everyMs)
    return () => {
      isOver = true
      clearInterval(timer)
    }
  }, [path, tries, everyMs])
  return { ...answer, again: () => setTries((before) => before + 1) }
}

/** Where an agent of the registry is shown. */
export function agentPlace({ issuer, agent }: Json): string {
  return address('/agents', { issuer: text(issuer), agent: text(agent) })
}

/** A moment, for machines too. */
export function Moment({ at }: { readonly at: unknown }) {
  return html`<time datetime=${text(at)} title=${isUtc.value ? 'UTC' : 'local time'}>${time(at)}</time>`
}

/** A time of which the audit lacks records, and why. */
export function Gap({ of }: { readonly of: Json }) {
  return html`<p class="notice warn">Not all of ${text(of.issuer ?? of.share)} was stored: ${text(of.reason)}, from <${Moment} at=${of.since} /> until <${Moment} at=${of.until} />.</p>`
}

/** Members that are moments. */
const TIMES = ['iat', 'exp']

/** Names and values in words, or `asIs`; those without a value are left out. */
export function Facts({ facts, asIs = false }: { readonly facts: Json; readonly asIs?: boolean }) {
  const rows = Object.entries(facts).filter(([, value]) => value !== undefined && value !== '')
  return html`<dl>${rows.map(
    ([name, value]) =>
      html`<dt>${asIs ? name : memberText(name)}</dt><dd>${asIs ? text(value) : TIMES.includes(name) ? time(value) : valueText(value)}</dd>`,
  )}</dl>`
}

/**
 * A button for an act, which a person confirms in a dialog. `says` is what the act does; it is made when the dialog opens. `isStop`: it is red, because it
 * takes access away for good.
 */
export function Act({
  label,
  says,
  act,
  isStop = false,
  children,
}: {
  label: string
  says: unknown
  act: (texts: Record<string, string>) => unknown
  isStop?: boolean
} & Inside) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [isOpen, setOpen] = useState(false)
  const [isBusy, setBusy] = useState(false)
  useLayoutEffect(() => {
    if (isOpen) dialog.current?.showModal()
  }, [isOpen])
  const tone = isStop ? 'stop' : ''
  const close = () => dialog.current?.close()
  const submit = async (event: SubmitEvent) => {
    setBusy(true)
    await act(textsOf(event))
    setBusy(false)
    close()
  }
  return html`<button type="button" class=${`act ${tone}`} disabled=${isOffline.value}
      onClick=${() => setOpen(true)}>${label}</button>
    ${
      isOpen &&
      html`<dialog ref=${dialog} aria-label=${label} onClose=${() => setOpen(false)}><article><form onSubmit=${submit}>
      <h2>${label}?</h2><p>${says} The audit says that it was you.</p>${children}
      <button type="submit" class=${tone} aria-busy=${isBusy} disabled=${isBusy}>${label}</button>
      <button type="button" class="quiet" onClick=${close}>Leave it</button>
    </form></article></dialog>`
    }`
}
