import { useMemo, useState } from 'preact/hooks'
import { objectOf } from '../../../gate/base/json.ts'
import { html } from './html.ts'
import { Act, Badge, Failure, Notice, useAnswer } from './parts.ts'
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

interface Stop {
  readonly label: string
  /** What it stops. */
  readonly says: unknown
  /** What has happened afterwards. */
  readonly did: string
  readonly path: string
  /** Without a body no reason is asked for. */
  readonly body?: Json
  readonly method?: string
  /** The version that it changes. */
  readonly match?: unknown
  /** Inputs beside the reason, and what the request has of their texts. */
  readonly inputs?: unknown
  readonly sent?: (texts: Readonly<Record<string, string>>) => Json
  /** Whether it takes access away for good. */
  readonly isStop?: boolean
}

/** Buttons for acts. `view` shows what the last act did, and how long it took. */
export function useActs(again: () => void) {
  const [said, setSaid] = useState('')
  const [problem, setProblem] = useState<Problem | undefined>(undefined)
  const button = ({ label, says, did, path, body, method = 'POST', isStop, ...more }: Stop) => {
    const act = async (texts: Readonly<Record<string, string>>) => {
      const began = performance.now()
      const sent = body && { ...body, ...more.sent?.(texts), reason: texts.reason || undefined }
      const { value = {}, problem } = await ask(path, method, sent, more.match)
      setProblem(problem)
      setSaid(problem ? '' : `${did}: ${await effect(value, began)}`)
      again()
    }
    return html`<${Act} label=${label} says=${says} act=${act} isStop=${isStop}>
      ${more.inputs}${body && html`<label>Reason<input name="reason" maxlength="200" /></label>`}<//>`
  }
  const view = html`${problem && html`<${Failure} problem=${problem} />`}<${Notice}>${said}<//>`
  return { button, view }
}

const KINDS = {
  agent: 'Every token of this agent is refused, now and later, and its open streams end.',
  token: 'This one token is refused, and its open streams end. The agent can get another.',
} as const

/** A count with its noun. */
export function counted(count: number, one: string, more: string): string {
  return `${count} ${count === 1 ? one : more}`
}

/** What stopping would hit, as far as the operator may know: calls of the last hour, and agents that act for it. */
function useHit({ issuer, agent, jti }: Json) {
  const from = useMemo(() => Math.floor(Date.now() / 1000) - 3_600, [])
  const usage = (by: Json) =>
    has('audit:read') && address('/api/usage', { by: 'rule', from, ...by })
  const calls = useAnswer(agent !== undefined && usage({ issuer, agent }))
  const ofToken = useAnswer(jti !== undefined && usage({ issuer, jti }))
  const entry = useAnswer(
    has('agents') && agent !== undefined && address('/api/agents/entry', { issuer, agent }),
  )
  const allowed = ({ value }: typeof calls) =>
    value &&
    list(value.usage).reduce((sum, one) => sum + Number(one.decisions) - Number(one.denied), 0)
  const hour = (count: number | undefined) =>
    count === undefined ? '' : `: ${counted(count, 'call', 'calls')} allowed in the last hour`
  const { agent: known } = objectOf(entry.value)
  const children = list(objectOf(objectOf(known).seen).children).map((one) => nameText(one.agent))
  const others =
    children.length > 0 ? `, and ${children.length} that act for it (${children.join(', ')})` : ''
  return {
    agent: `Stops 1 agent${hour(allowed(calls))}${others}.`,
    token: `Stops 1 token${hour(allowed(ofToken))}.`,
  }
}

/** Revokes an agent, or the token of a record, and measures until every shard has it. */
export function Kill({ of, again }: { readonly of: Json; readonly again: () => void }) {
  const { button, view } = useActs(again)
  const hit = useHit(of)
  const kinds = (['agent', 'token'] as const).filter(
    (kind) => of[kind === 'agent' ? 'agent' : 'jti'] !== undefined,
  )
  if (kinds.length === 0) return html``
  if (!has('revoke')) return html`<p>To revoke needs the scope edgewarden:revoke.</p>`
  return html`${kinds.map((kind) => {
    const value = of[kind === 'agent' ? 'agent' : 'jti']
    const label = `Revoke this ${kind}`
    const says = html`<bdi>${nameText(value)}</bdi> of <bdi>${text(of.issuer)}</bdi>: ${KINDS[kind]} <b>${hit[kind]}</b>`
    const body = { kind, issuer: of.issuer, value }
    return html`<div class="bar">${button({ label, says, did: 'Revoked', path: '/api/revocations', body, isStop: true })}<small>${hit[kind]}</small></div>`
  })}${view}`
}

/** Revocations, each with a button that lifts it. */
export function Revocations({ found, again }: { found: unknown; again: () => void }) {
  const { button, view } = useActs(again)
  const says = 'What this revocation covers is accepted again.'
  const lift = { label: 'Lift', says, did: 'Lifted', method: 'DELETE' }
  return html`${list(found).map(
    (one) =>
      html`<p><${Badge} state="denied">revoked<//> ${text(one.kind)} ${nameText(one.value)} ${
        has('revoke') && button({ ...lift, path: `/api/revocations/${text(one.id)}` })
      }</p>`,
  )}${view}`
}
