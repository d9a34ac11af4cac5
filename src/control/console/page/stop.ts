import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { objectOf } from '../../../gate/base/json.ts'
import { html } from './html.ts'
import { Act, Badge, Failure, Moment, Notice, useAnswer } from './parts.ts'
import { hitText } from './sentences.ts'
import { address, ask, has, type Json, list, nameText, type Problem, text } from './state.ts'

/** Seconds to wait until all shards have a revocation. */
const PATIENCE = 30

/** How many seconds until rules follow a revocation that every shard has. */
const lateness = async (): Promise<string> => {
  const { value } = await ask('/api/policy')
  if (!value) return 'The policy says when the revocation takes effect.'
  const rules = [objectOf(value.gate), ...list(value.routes)]
  const late = rules.flatMap(({ revocation }) => {
    const { consistency, max_staleness } = objectOf(revocation)
    return consistency === 'bounded' ? [text(max_staleness)] : []
  })
  return late.length === 0
    ? 'It counts now.'
    : `Rules that are not strict follow within ${[...new Set(late)].join(' or ')}.`
}

/** How long an act took, and how many shards have its change. */
const effect = async (value: Json, began: number): Promise<string> => {
  const [entry] = list(value.revocations)
  let { shards } = value as { shards?: Json }
  for (let tries = 0; entry && shards?.pending && tries < PATIENCE; tries++) {
    await new Promise((done) => setTimeout(done, 1_000))
    const now = await ask(`/api/revocations/${text(entry.id)}`)
    if (now.value) shards = objectOf(now.value.shards)
  }
  const took = `after ${Math.round(performance.now() - began)} ms`
  if (!shards) return value.pending ? 'no shard has it yet; the gate goes on trying.' : `${took}.`
  const had = `${text(shards.acknowledged)} of ${text(shards.total)} shards had it ${took}.`
  return `${had} ${shards.pending ? 'The others may still accept it.' : await lateness()}`
}

/** A call of the gate, and what it is about if an act has several. Without a body no reason is asked for. */
interface Call {
  readonly path: string
  readonly body?: Json
  readonly who?: unknown
}

interface Stop extends Partial<Call> {
  readonly label: string
  /** What it stops. */
  readonly says: unknown
  /** What has happened afterwards, and how to take it back. */
  readonly did: string
  readonly undo?: unknown
  /** The calls, if there is more than one; none waits for another. */
  readonly each?: readonly Call[]
  readonly method?: string
  /** The version that it changes. */
  readonly match?: unknown
  /** Inputs beside the reason, and what the request has of their texts. */
  readonly inputs?: unknown
  readonly sent?: (texts: Readonly<Record<string, string>>) => Json
  /** Whether it takes access away for good. */
  readonly isStop?: boolean
}

/** What has come of a call. */
interface Result {
  readonly who?: unknown
  readonly said: string
  readonly problem?: Problem | undefined
}

/** Buttons for acts. `view` shows what the last act did, how long it took, and how to take it back. */
export function useActs(again: () => void) {
  const [results, setResults] = useState<readonly Result[]>([])
  const [after, setAfter] = useState<unknown>('')
  const button = ({ label, says, did, undo, each, method = 'POST', isStop, ...one }: Stop) => {
    const calls = each ?? [{ path: one.path ?? '', ...(one.body && { body: one.body }) }]
    const act = async (texts: Readonly<Record<string, string>>) => {
      const send = async ({ path, body, who }: Call): Promise<Result> => {
        const began = performance.now()
        const sent = body && { ...body, ...one.sent?.(texts), reason: texts.reason || undefined }
        const { value = {}, problem } = await ask(path, method, sent, one.match)
        return { who, problem, said: problem ? '' : `${did}: ${await effect(value, began)}` }
      }
      const all = await Promise.all(calls.map(send))
      const done = all.filter(({ problem }) => !problem).length
      setResults(all)
      const sum = `${did} ${done} of ${counted(all.length, 'agent', 'agents')}.`
      setAfter([each ? sum : all[0]?.said, done > 0 && undo && html` ${undo}`])
      again()
    }
    const hasReason = calls.some(({ body }) => body)
    return html`<${Act} label=${label} says=${says} act=${act} isStop=${isStop}>
      ${one.inputs}${hasReason && html`<label>Reason<input name="reason" maxlength="200" /></label>`}<//>`
  }
  const [first] = results
  const isOne = first?.who === undefined
  const rows = useRef<HTMLUListElement>(null)
  useEffect(() => rows.current?.focus(), [results])
  const view = html`${isOne && first?.problem && html`<${Failure} problem=${first.problem} />`}
    <${Notice}>${after}<//>
    ${!isOne && html`<ul ref=${rows} tabindex="-1" class="plain" aria-label="Results">${results.map(resultRow)}</ul>`}`
  return { button, view }
}

const resultRow = ({ who, said, problem }: Result) =>
  html`<li><${Badge} state=${problem ? 'denied' : 'allowed'}>${problem ? 'failed' : 'done'}<//> ${who}: ${
    problem
      ? html`${problem.title}. ${problem.hint}. Code <code>${problem.code}</code>${problem.request_id && html`, request id <code>${problem.request_id}</code>`}`
      : said
  }</li>`

const KINDS = {
  agent: 'Every token of this agent is refused, now and later, and its open streams end.',
  token: 'This one token is refused, and its open streams end. The agent can get another.',
} as const

/** A count with its noun. */
export function counted(count: number, one: string, more: string): string {
  return `${count} ${count === 1 ? one : more}`
}

/** Whether two answers are about the same agent. */
export function isSame(one: Json, other: Json): boolean {
  return one.agent === other.agent && one.issuer === other.issuer
}

/** What stopping agents, or one token, would hit, as far as the operator may know. `of`: agents, with `seen` if it is known. */
export function Hit({ of, jti }: { readonly of: readonly Json[]; readonly jti?: unknown }) {
  const from = useMemo(() => Math.floor(Date.now() / 1000) - 3_600, [])
  const [{ issuer, agent, seen } = {} as Json, ...more] = of
  const only = jti !== undefined ? { issuer, jti } : more.length === 0 && { issuer, agent }
  const used = useAnswer(
    has('audit:read') && address('/api/usage', { by: 'agent', own: 'false', from, ...only }),
  )
  const isAsked = jti === undefined && more.length === 0 && seen === undefined && has('agents')
  const entry = useAnswer(isAsked && address('/api/agents/entry', { issuer, agent }))
  const agents = entry.value ? [objectOf(entry.value.agent)] : of
  const calls = list(used.value?.usage)
    .filter((group) => of.some((one) => isSame(one, group)))
    .reduce((sum, group) => sum + Number(group.decisions) - Number(group.denied), 0)
  const least = used.value?.left_out === undefined ? '' : 'at least '
  const others = agents
    .flatMap((one) => list(objectOf(one.seen).children))
    .filter((one, at, all) => all.findIndex((other) => isSame(one, other)) === at)
    .filter((one) => !of.some((other) => isSame(one, other)))
  return html`<b>${hitText(
    jti === undefined ? counted(of.length, 'agent', 'agents') : '1 token',
    used.value && least + counted(calls, 'call', 'calls'),
    jti === undefined ? others.map((one) => nameText(one.agent_name ?? one.agent)) : [],
  )}</b>`
}

/** Revokes an agent, or the token of a record, and measures until every shard has it. */
export function Kill({ of, again }: { readonly of: Json; readonly again: () => void }) {
  const { button, view } = useActs(again)
  const kinds = (['agent', 'token'] as const).filter(
    (kind) => of[kind === 'agent' ? 'agent' : 'jti'] !== undefined,
  )
  if (kinds.length === 0) return html``
  if (!has('revoke')) return html`<p>To revoke needs the scope edgewarden:revoke.</p>`
  return html`${kinds.map((kind) => {
    const value = of[kind === 'agent' ? 'agent' : 'jti']
    const label = `Revoke this ${kind}`
    const hit = html`<${Hit} of=${[of]} jti=${kind === 'token' ? of.jti : undefined} />`
    const says = html`<bdi>${nameText(value)}</bdi> of <bdi>${text(of.issuer)}</bdi>: ${KINDS[kind]} ${hit}`
    const body = { kind, issuer: of.issuer, value }
    const undo = 'To undo, lift the revocation on this page.'
    return html`<div class="bar">${button({ label, says, did: 'Revoked', undo, path: '/api/revocations', body, isStop: true })}<small>${hit}</small></div>`
  })}${view}`
}

/** Revocations, each with why, until when and by whom, as far as it is known, and a button that lifts it. */
export function Revocations({ found, again }: { found: unknown; again: () => void }) {
  const { button, view } = useActs(again)
  const says = 'What this revocation covers is accepted again.'
  const lift = { label: 'Lift', says, did: 'Lifted', method: 'DELETE' }
  return html`${list(found).map(
    (one) =>
      html`<p><${Badge} state="denied">revoked<//> ${text(one.kind)} ${nameText(one.value)}${one.created !== undefined && html`, <${Moment} at=${one.created} />`}${one.created_by !== undefined && html` by <bdi>${nameText(one.created_by)}</bdi>`}${one.reason !== undefined && html`: <bdi>${text(one.reason)}</bdi>`}${one.expires !== undefined && html`, until <${Moment} at=${one.expires} />`} ${
        has('revoke') && button({ ...lift, path: `/api/revocations/${text(one.id)}` })
      }</p>`,
  )}${view}`
}
