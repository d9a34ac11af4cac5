import { computed, effect, signal } from '@preact/signals'

/** A JSON object of the gate. What is in it may be anybody's text. */
export type Json = Readonly<Record<string, unknown>>

/** A refusal of the gate, or why there is no answer. */
export interface Problem {
  readonly title: string
  readonly hint: string
  readonly code: string
  readonly request_id?: string
  /** What is wrong with a request, and where. */
  readonly problems?: readonly Json[]
}

/** What the gate has answered: a value, or a problem. */
export interface Answer<Value = Json> {
  readonly value?: Value
  readonly problem?: Problem
}

/** Who is signed in: `undefined` while it is not known whether anybody is, `null` if nobody is. */
export const operator = signal<Json | null | undefined>(undefined)
/** Whether a session of this tab has ended by itself. */
export const isEnded = signal(false)
export const isOffline = signal(!navigator.onLine)
/** Path and query of the page. */
export const place = signal(new URL(location.href))
/** Whether times are shown in UTC. */
export const isUtc = signal(localStorage.getItem('times') !== 'local')

addEventListener('online', () => {
  isOffline.value = false
})
addEventListener('offline', () => {
  isOffline.value = true
})
addEventListener('popstate', () => {
  place.value = new URL(location.href)
})

let wasIn = false
effect(() => {
  const { value } = operator
  if (value === null && wasIn) isEnded.value = true
  if (value !== undefined) wasIn = value !== null
  if (value) isEnded.value = false
})

/** Goes to another place of the page. `isNew`: whether "back" returns to the present one. */
export function go(to: string, isNew = true): void {
  history[isNew ? 'pushState' : 'replaceState'](null, '', to)
  place.value = new URL(location.href)
}

const OFFLINE: Problem = {
  title: 'The gate cannot be reached',
  hint: 'Check the network. What you see is as old as its times say',
  code: 'offline',
}

const REDIRECTED: Problem = {
  title: 'Cloudflare Access asks who you are',
  hint: 'Sign in again',
  code: 'redirected',
}

/** Sends a request to the gate as the operator who is signed in. `match`: the version that it changes. Never throws. */
export async function ask<Value = Json>(
  path: string,
  method = 'GET',
  body?: Json,
  match?: unknown,
): Promise<Answer<Value>> {
  try {
    const response = await fetch(path, {
      method,
      redirect: 'manual',
      headers: {
        ...(method !== 'GET' && { 'X-Edgewarden-Console': '1' }),
        ...(body && { 'Content-Type': 'application/json' }),
        ...(match !== undefined && { 'If-Match': `"${match}"` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    isOffline.value = !navigator.onLine
    // The gate redirects nobody. Cloudflare Access redirects once its session has ended, to a page that only a
    // navigation reaches.
    if (response.type === 'opaqueredirect') {
      operator.value = null
      return { problem: REDIRECTED }
    }
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    const value = isJson ? await response.json() : await response.text()
    // "Not ready" is an answer too.
    if (response.ok || value.checks) return { value }
    if (value.code === 'console_session_missing' || value.status === 401) operator.value = null
    return { problem: value.code ? value : { ...OFFLINE, title: response.statusText } }
  } catch {
    isOffline.value = true
    return { problem: OFFLINE }
  }
}

/** Asks who is signed in. Regular calls keep the session. */
export async function refresh(): Promise<void> {
  const { value, problem } = await ask('/api/console')
  if (value) operator.value = value
  else if (problem?.code !== 'offline') operator.value = null
}

/** Whether the operator has a scope of the gate's own endpoints. */
export function has(scope: string): boolean {
  const scopes = operator.value?.scopes as readonly string[] | undefined
  return scopes?.includes(`edgewarden:${scope}`) ?? false
}

/** Whether somebody is signed in who has no scope: a person who decides on calls of their own agents. */
export const isOwner = computed(() => list(operator.value?.scopes).length === 0)

/** The role that the operator's scopes make. */
export const role = computed(() => {
  if (isOwner.value) return 'owner'
  if (has('audit:erase')) return 'administrator'
  return has('revoke') ? 'operator' : has('approve') ? 'approver' : 'viewer'
})

/** A value as text: of a table or list as JSON. */
export function text(value: unknown): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** A part of a path without its escapes; as it is, if those are wrong. */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** A name as text. Spaces that a page does not show are escapes, as {@link html} makes of other such characters. */
export function nameText(value: unknown): string {
  return text(value).replace(/^ | $|(?<= ) /g, '\\u0020')
}

/** A moment as text, in the zone that the operator has chosen. */
export function time(value: unknown): string {
  const date = new Date(typeof value === 'number' ? value * 1000 : text(value))
  if (Number.isNaN(date.getTime())) return text(value)
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000)
  return (isUtc.value ? date : local).toISOString().slice(0, 23).replace('T', ' ')
}

/** The entries of a list of the gate; none of any other value. */
export function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value : []
}

/** A path with a query of those members that have a value. */
export function address(path: string, members: Json): string {
  const given = Object.entries(members).filter(([, value]) => value !== undefined && value !== null)
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, text(value)]))}`
}

/** The texts of a form, which the page sends by itself. */
export function textsOf(event: Event): Readonly<Record<string, string>> {
  event.preventDefault()
  const form = new FormData(event.currentTarget as HTMLFormElement)
  return Object.fromEntries([...form].map(([name, value]) => [name, text(value)]))
}
