import { utf8Encode } from '../../gate/base/bytes.ts'
import type { JsonObject } from '../../gate/base/json.ts'
import { fail, ok } from '../../gate/base/result.ts'
import { fetchedWithin } from '../../gate/base/timeout.ts'
import { system } from '../../gate/platform/system.ts'
import { ALERTS_SECRET, type Receiver, receiverOf } from '../../gate/policy/keys/audit.ts'
import { readRecord } from '../records/terms.ts'
import type { Budget } from './budget.ts'
import { type Health, PROBLEMS, type Problem } from './health.ts'

/** The storage key that marks the shard that sends alerts. An object that an alarm wakes may not know its name. */
const ALERTING = 'alerting'
/** The storage key of {@link Kept}. */
const KEPT = 'alerts'
/** Milliseconds until the next attempt: they double, up to the most. */
const RETRY_MS = { first: 1_000, most: 900_000 }
/** Milliseconds for one attempt. */
const CALL_MS = 5_000
/** Milliseconds after which a problem that is not seen has ended; and between two writes that it was seen. */
const QUIET_MS = 120_000
const SIGN_MS = 60_000
/** Most alerts that wait. The oldest are dropped first. */
const MOST = 50
/** Most of them that say that an approval waits, of all agents and of one: agents could crowd out the others. */
const MOST_ASKED = { all: 25, agent: 5 }

const ASKED = 'approval.asked'

interface Alert {
  readonly id: string
  /** Milliseconds since the epoch, here and below. */
  readonly at: number
  readonly type: string
  readonly data: JsonObject
}

interface Kept {
  readonly bad: Partial<Record<Problem, { readonly since: number; readonly seen: number }>>
  readonly waiting: readonly Alert[]
  /** Failed attempts for the first alert that waits, and when the next is due. */
  readonly tries: number
  readonly next: number
}

/**
 * Sends alerts to one receiver, in order. Repeats each under the same id until it is accepted. Waiting alerts
 * survive a restart if the object's alarm calls `run`. Without a receiver nothing is stored or sent.
 */
export function createAlerts(
  { kv }: DurableObjectStorage,
  budget: Budget,
  health: Health,
  receiver: Receiver | undefined,
) {
  let kept = kv.get<Kept>(KEPT) ?? { bad: {}, waiting: [], tries: 0, next: 0 }
  let isSending = false
  const keep = (changes: Partial<Kept>): void => {
    kept = { ...kept, ...changes }
    kv.put(KEPT, kept)
    budget.add(1)
  }

  /** Stores an alert, which the next `run` sends. */
  const tell = (type: string, data: JsonObject): void => {
    if (!receiver) return
    const alert = { id: `msg_${crypto.randomUUID()}`, at: Date.now(), type, data }
    keep({ waiting: [...kept.waiting, alert].slice(-MOST) })
  }

  const hasRoom = ({ issuer, agent }: JsonObject): boolean => {
    const asked = kept.waiting.filter(({ type }) => type === ASKED)
    const same = asked.filter(({ data }) => data.issuer === issuer && data.agent === agent)
    return asked.length < MOST_ASKED.all && same.length < MOST_ASKED.agent
  }

  const look = (problem: Problem, found: string | undefined): void => {
    const now = Date.now()
    const { [problem]: before, ...others } = kept.bad
    const since = before?.since ?? now
    const known = { problem, since: iso(since) }
    if (found !== undefined && now >= (before?.seen ?? 0) + SIGN_MS) {
      keep({ bad: { ...others, [problem]: { since, seen: now } } })
      if (!before) tell('problem.began', { ...known, found, advice: PROBLEMS[problem] })
    } else if (found === undefined && before && now >= before.seen + QUIET_MS) {
      keep({ bad: others })
      tell('problem.ended', { ...known, until: iso(now) })
    }
  }

  const send = async (to: Receiver): Promise<void> => {
    for (let [alert] = kept.waiting; alert && Date.now() >= kept.next; [alert] = kept.waiting) {
      const { id } = alert
      const error = await post(to, alert)
      if (error === undefined) {
        keep({ waiting: kept.waiting.filter((one) => one.id !== id), tries: 0, next: 0 })
      } else {
        const wait = Math.min(RETRY_MS.first * 2 ** kept.tries, RETRY_MS.most)
        keep({ tries: kept.tries + 1, next: Date.now() + wait })
        system.log({ event: 'alert_not_sent', id, error })
      }
    }
  }

  /** Sets the alarm for alerts that are left to send, or for a problem that may have ended. */
  const wake = async (): Promise<void> => {
    const now = Date.now()
    if (kept.waiting.length > 0) await budget.wakeAt(Math.max(kept.next, now + RETRY_MS.first))
    else if (Object.keys(kept.bad).length > 0) await budget.wakeAt(now + QUIET_MS)
  }

  return {
    tell,

    /** Stores the acts that are alerts of the watch, or that ask for an approval, to be sent. */
    tellActs(acts: readonly string[]): void {
      for (const { act, v: _, kind: __, ...alert } of acts.map(readRecord)) {
        if (act === 'alert') tell('agent.alert', alert)
        if (act === 'ask' && hasRoom(askedOf(alert))) tell(ASKED, askedOf(alert))
      }
    },

    waiting: (): number => kept.waiting.length,

    /** Makes alerts of problems that began or ended, and sends those that wait. Sets the alarm first, in case of a restart. */
    async run(): Promise<void> {
      if (!receiver || isSending) return
      isSending = true
      try {
        const found = health.found()
        for (const problem of Object.keys(PROBLEMS) as Problem[]) look(problem, found[problem])
        await wake()
        await send(receiver)
        await wake()
      } finally {
        isSending = false
      }
    },
  }
}

/** An act `ask` as an alert has it. Its only link is the console's page of the approval, where a person decides. */
const askedOf = ({ id, approval, issuer, agent, route, url }: JsonObject): JsonObject => ({
  ...{ id, approval, issuer, agent: inert(String(agent)), rule: route, url },
})

/** Text of an agent that no reader takes for a link or a mention: all but letters, digits, space, `-` and `_` are escapes. */
const inert = (text: string): string =>
  text.replace(/[^\w -]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** The receiver of an object's alerts; `undefined` in each shard but `0`. */
export function receiverFor({ id, storage: { kv } }: DurableObjectState, env: Cloudflare.Env) {
  const known = kv.get(ALERTING)
  if (!known && id.name !== '0') return undefined
  if (!known) kv.put(ALERTING, true)
  const { [ALERTS_SECRET]: secret } = env as { readonly [ALERTS_SECRET]?: string }
  return receiverOf(secret)
}

const iso = (time: number): string => new Date(time).toISOString()

/** Sends an alert once, signed by Standard Webhooks. An error consists of fixed words. */
const post = async ({ url, key, format, gate }: Receiver, { id, at, type, data }: Alert) => {
  const about = { type, timestamp: iso(at), data: { gate, ...data } }
  const body = JSON.stringify(format === 'slack' ? { text: textOf(about) } : about)
  const time = String(Math.floor(Date.now() / 1000))
  const signature = key && { 'webhook-signature': await signed(key, `${id}.${time}.${body}`) }
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': time,
    ...signature,
  }
  const sent = await fetchedWithin(CALL_MS, async (signal) => {
    const response = await fetch(url, { method: 'POST', redirect: 'manual', headers, body, signal })
    await response.body?.cancel()
    return response.ok ? ok(undefined) : fail(`status ${response.status}`)
  })
  return sent.ok ? undefined : sent.reason
}

const signed = async (bytes: Uint8Array<ArrayBuffer>, text: string): Promise<string> => {
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', bytes, hmac, false, ['sign'])
  const mac = await crypto.subtle.sign('HMAC', key, utf8Encode(text))
  return `v1,${btoa(String.fromCharCode(...new Uint8Array(mac)))}`
}

/** An alert as text for Slack, whose special characters are escaped. */
const textOf = ({ type, data }: Pick<Alert, 'type' | 'data'>): string =>
  [
    `Edgewarden: ${type}`,
    ...Object.entries(data).map(
      ([name, value]) =>
        `${name}: ${typeof value === 'object' ? JSON.stringify(value) : (value ?? '-')}`,
    ),
  ]
    .join('\n')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
