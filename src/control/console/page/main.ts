import { signal } from '@preact/signals'
import { render } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Agents } from './agents.ts'
import { Approval } from './approval.ts'
import { Approvals } from './approvals.ts'
import { Decision } from './decision.ts'
import { Decisions } from './decisions.ts'
import { Found } from './find.ts'
import { html } from './html.ts'
import { Overview } from './overview.ts'
import { Facts, Failure, Link } from './parts.ts'
import { goBack, People, refusal } from './people.ts'
import { Policy } from './policy.ts'
import {
  address,
  ask,
  decoded,
  go,
  isEnded,
  isOffline,
  isOwner,
  isUtc,
  type Json,
  operator,
  type Problem,
  place,
  refresh,
  role,
  text,
  textsOf,
} from './state.ts'

/** Milliseconds between two requests that keep the session while the page is seen. */
const KEEP_MS = 60_000

/** The code in a link of `edgewarden console`. The page removes it from the address at once. */
const code = signal<string | undefined>(undefined)
const takeCode = () => {
  const [, kind, found] = /^#(code|refused)=([\w.-]+)$/.exec(location.hash) ?? []
  if (!found) return
  if (kind === 'code') code.value = found
  else refusal.value = found
  go('/', false)
}
takeCode()
goBack()
addEventListener('hashchange', takeCode)

const FORGOTTEN: Problem = {
  title: 'This browser does not keep the cookie of the session',
  hint: 'Open the console by https, or allow cookies of this host. Safari keeps no cookies of http://localhost',
  code: 'cookie_missing',
}

/** What a code says about who signs in, to show it. The gate verifies the code, not the page. */
const whoIn = (sealed: string): { agent: Json; access: Json; operator?: unknown } => {
  try {
    const [, payload = ''] = sealed.split('.')
    const latin1 = atob(payload.replaceAll('-', '+').replaceAll('_', '/'))
    const bytes = Uint8Array.from(latin1, (character) => character.charCodeAt(0))
    const { agent = {}, access = {}, operator } = JSON.parse(new TextDecoder().decode(bytes))
    return { agent, access, operator }
  } catch {
    return { agent: {}, access: {} }
  }
}

function Offer({ code, enter }: { readonly code: string; readonly enter: () => void }) {
  const { agent, access, operator } = whoIn(code)
  const { issuer, scopes, subject } = access
  return html`<p>Continue only if you have just run the command that opened this page, and this is you.</p>
    <${Facts} facts=${{ Issuer: issuer, Subject: subject, Scopes: Array.isArray(scopes) ? scopes.join(' ') : '' }} />
    <button type="button" onClick=${enter}>Sign in as ${text(operator ?? agent.name)}</button>`
}

function SignIn() {
  const [problem, setProblem] = useState<Problem | undefined>(undefined)
  const enter = async () => {
    const { problem } = await ask('/session', 'POST', { code: code.value ?? '' })
    code.value = undefined
    if (problem) return setProblem(problem)
    await refresh()
    if (operator.value === null) setProblem(FORGOTTEN)
  }
  return html`<article class="sign-in"><h1>${isEnded.value ? 'Your session has ended' : 'Sign in'}</h1>
    ${isEnded.value && html`<p>It ends after 15 minutes in which nobody saw the page, after 8 hours, or when your token is revoked. Sign in again, and this page goes on where it was.</p>`}
    ${problem && html`<${Failure} problem=${problem} />`}
    ${
      code.value
        ? html`<${Offer} code=${code.value} enter=${enter} />`
        : html`<${People} fail=${setProblem} />
          <p>Run this where the operator's key is. It opens this page with a code for one use.</p>
          <pre><code>npx edgewarden console --gate https://YOUR-GATE --key ops.jwk</code></pre>
          <p>Behind Cloudflare Access, <a href=${place.value.href}>sign in with Access</a>. If you signed in in another tab, <button type="button" class="quiet" onClick=${refresh}>look again</button></p>`
    }
  </article>`
}

const leave = async () => {
  await ask('/session', 'DELETE')
  operator.value = null
  isEnded.value = false
  localStorage.setItem('left', String(Date.now()))
  go('/', false)
}

// After signing out in another tab, the stream of decisions would go on in this one.
addEventListener('storage', ({ key }) => {
  if (key === 'left' && operator.value) void refresh()
})

// Somebody may have signed in in another tab.
addEventListener('focus', () => {
  if (operator.value === null && !code.value) void refresh()
})

const switchZone = () => {
  isUtc.value = !isUtc.value
  localStorage.setItem('times', isUtc.value ? 'utc' : 'local')
}

const APPROVALS = ['/approvals', 'Approvals', Approvals] as const

/** The screens with an address of their own. */
const PLACES = [
  ['/', 'Overview', Overview],
  ['/decisions', 'Decisions', Decisions],
  APPROVALS,
  ['/agents', 'Agents', Agents],
  ['/policy', 'Policy', Policy],
] as const

function Find() {
  const find = (event: SubmitEvent) => {
    const { text = '' } = textsOf(event)
    if (text.trim()) go(address('/find', { text: text.trim() }))
  }
  const says = 'Search: request id, agent, subject, token id, rule or code'
  return html`<form role="search" aria-label="Everything" onSubmit=${find}>
    <input type="search" name="text" aria-label=${says} title=${says} placeholder="Search for anything" maxlength="1000" />
  </form>`
}

/** The screens of who is signed in: a person without scopes decides on calls of their own agents only. */
const places = () => (isOwner.value ? [APPROVALS] : PLACES)

/** Shown for an address that the console does not have. */
function Unknown() {
  return html`<h1>There is no such page</h1>
    <p>The console has nothing at <code>${place.value.pathname}</code>. ${!isOwner.value && 'To find something, enter its id or name above.'}</p>
    <ul>${places().map(([to, name]) => html`<li><${Link} to=${to}>${name}<//></li>`)}</ul>`
}

/** Who is signed in: the person, the operator that the policy names, or the agent. */
const who = (): string => {
  const { person, operator: name, agent } = operator.value ?? {}
  const { subject } = (person ?? {}) as Json
  return text(subject ?? name ?? agent)
}

const SEARCH = ['/find', 'Search', Found] as const
const UNKNOWN = ['', 'No such page', Unknown] as const

function Page() {
  const { pathname, searchParams } = place.value
  const [, kind, id] = /^\/(decisions|approvals)\/([^/]+)$/.exec(pathname) ?? []
  const at = isOwner.value && pathname === '/' ? '/approvals' : pathname
  const [, ...many] = [...places(), SEARCH].find(([to]) => to === at) ?? UNKNOWN
  const one = kind === 'approvals' ? ['Approval', Approval] : ['Decision', Decision]
  const [name, Screen] = id ? one : many
  const title = (at === '/agents' && searchParams.get('agent')) || name
  const screen = html`<${Screen} key=${id} id=${id && decoded(id)} />`
  const main = useRef<HTMLElement>(null)
  const last = useRef(pathname)
  useEffect(() => {
    document.title = `${title} – Edgewarden`
    // Screen readers go on with the new page, and so does the keyboard.
    if (last.current !== pathname) main.current?.focus()
    last.current = pathname
  }, [title, pathname])
  return html`<header>
      <strong>Edgewarden</strong>
      <nav aria-label="Screens">${places().map(
        ([to, name]) =>
          html`<${Link} to=${to} aria-current=${at === to ? 'page' : undefined}>${name}<//>`,
      )}</nav>
      ${!isOwner.value && html`<${Find} />`}
      <span class="who"><b>${who()}</b> ${role.value}</span>
      <button type="button" class="quiet" title="The zone in which times are shown" onClick=${switchZone}>${isUtc.value ? 'UTC' : 'Local time'}</button>
      <button type="button" class="quiet" onClick=${leave}>Sign out</button>
    </header><main id="main" tabindex="-1" ref=${main}>${screen}</main>`
}

function App() {
  useEffect(() => {
    void refresh()
    const timer = setInterval(() => document.hidden || !operator.value || void refresh(), KEEP_MS)
    return () => clearInterval(timer)
  }, [])
  const { value } = operator
  return html`<a class="skip" href="#main">To the content</a>
    ${isOffline.value && html`<div role="status" class="offline">The gate cannot be reached. Times say how old this is.</div>`}
    ${
      value && !code.value
        ? html`<${Page} />`
        : html`<main id="main">${value === null || code.value ? html`<${SignIn} />` : html`<p aria-busy="true">Looking who is signed in…</p>`}</main>`
    }`
}

render(html`<${App} />`, document.body)
