import type { BrowserContext } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { type RunningBrowser, startBrowser } from '../../kit/browser.ts'
import type { Members } from '../../kit/signing.ts'
import { COOKIE, type ConsoleSetting, OPERATOR, startConsole } from './console-setting.ts'

/** The site of both hosts, as example.com is that of api.example.com and ops.example.com. */
const SITE = 'team.localhost'

let chromium: RunningBrowser
let setting: ConsoleSetting
/** The console and the API, for a browser. */
let ops: string
let api: string

beforeAll(async () => {
  ;[chromium, setting] = await Promise.all([
    startBrowser(),
    startConsole({
      gate: {
        assertion: 'identity',
        console: { host: `ops.${SITE}` },
        hosts: ['api.example.com', `api.${SITE}`],
      },
      routes: [{ match: 'GET /v1/*', access: 'public' }],
    }),
  ])
  ops = `http://ops.${SITE}:${setting.gate.port}`
  api = `http://api.${SITE}:${setting.gate.port}`
})
afterAll(async () => {
  await chromium.close()
  await setting.close()
})
afterEach(() => setting.origin.clear())

const linkOf = async (agent: string) => `${ops}/#code=${await setting.code({ client_id: agent })}`

const enter = async (context: BrowserContext, agent: string) => {
  const page = await context.newPage()
  await page.goto(await linkOf(agent))
  await page.getByRole('button', { name: /^Sign in as/ }).click()
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  return page
}

/** A page of the origin, at the host of the API. */
const visitOrigin = async (context: BrowserContext, headers: Record<string, string> = {}) => {
  setting.origin.on('*', (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html', ...headers })
    response.end('<title>origin</title>')
  })
  const page = await context.newPage()
  await page.goto(`${api}/v1/page`)
  return page
}

it.each([
  ['a comma', 'x=1,', true],
  ['a quote', 'x=", ', true],
  ['a space of Unicode', '\u00a0', true],
  ['nothing', '', false],
  ['no name', '=', false],
])('a cookie of the origin is none of the console: behind %s', async (_, before, isKept) => {
  const theirs = await chromium.browser.newContext()
  await enter(theirs, 'mallory')
  const [theirCookie] = await theirs.cookies(ops)
  await theirs.close()
  const tossed = `${before}${COOKIE}=${theirCookie?.value}; Domain=${SITE}; Path=/`

  const context = await chromium.browser.newContext()
  const origin = await visitOrigin(context, {
    'set-cookie': Buffer.from(tossed).toString('latin1'),
  })
  await origin.evaluate(`document.cookie = ${JSON.stringify(tossed)}`)
  // Chromium itself refuses some.
  expect((await context.cookies(ops)).length > 0).toBe(isKept)
  const page = await context.newPage()
  await page.goto(ops)
  await page.getByText('npx edgewarden console').waitFor()
  const mine = await enter(context, 'olga')
  await mine.reload()
  await mine.getByText('acme/olga').first().waitFor()
  await context.close()
})

it('a page of the same site can do nothing, though the cookie is sent with its requests', async () => {
  const context = await chromium.browser.newContext()
  const page = await enter(context, 'olga')
  const made = await setting.ask('/.edgewarden/revocations', {
    method: 'POST',
    token: await setting.token({ scope: OPERATOR }),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'agent', issuer: setting.issuer.issuer, value: 'rogue' }),
  })
  const [entry] = ((await made.json()) as Members).revocations as [Members]
  const origin = await visitOrigin(context)
  const { issuer } = setting.issuer
  const code = await setting.code()
  const outcomes = await origin.evaluate<string[]>(`
    const act = ${JSON.stringify(JSON.stringify({ kind: 'issuer', issuer }))}
    const plain = { credentials: 'include', mode: 'no-cors' }
    const happens = (target, good) => new Promise((done, failed) => {
      target.addEventListener(good, done)
      target.addEventListener('error', failed)
    })
    const load = (tag, path) => {
      const made = document.createElement(tag)
      Object.assign(made, { src: '${ops}' + path, href: '${ops}' + path, rel: 'stylesheet' })
      document.body.append(made)
      return happens(made, 'load')
    }
    navigator.sendBeacon('${ops}/api/revocations', act)
    Promise.all([
      fetch('${ops}/api/policy', { credentials: 'include' }),
      fetch('${ops}/api/policy', plain),
      fetch('${ops}/api/revocations', { ...plain, method: 'POST', body: act }),
      fetch('${ops}/session', { ...plain, method: 'POST', body: '{"code":"${code}"}' }),
      fetch('${ops}/api/revocations/${entry.id}', {
        method: 'DELETE',
        credentials: 'include',
        headers: { 'x-edgewarden-console': '1' },
      }),
      load('img', '/api/policy'),
      load('script', '/api/policy'),
      load('link', '/'),
      happens(new EventSource('${ops}/api/decisions/live', { withCredentials: true }), 'open'),
      happens(new WebSocket('${ops.replace('http', 'ws')}/api/decisions/live'), 'open'),
    ].map((one) => one.then(String, () => 'refused')))`)
  expect(outcomes).toEqual(outcomes.map(() => 'refused'))
  const opens = async (script: string) => {
    const [popup] = await Promise.all([context.waitForEvent('page'), origin.evaluate(script)])
    return popup
  }
  for (const path of ['/api/revocations', '/api/console', '/session']) {
    const popup = await opens(`{
      const form = document.createElement('form')
      form.method = 'post'
      form.enctype = 'text/plain'
      form.action = '${ops}${path}'
      form.target = '_blank'
      const field = document.createElement('input')
      field.name = '{"kind":"issuer","issuer":"${issuer}","code":"${code}","x":"'
      field.value = '"}'
      form.append(field)
      document.body.append(form)
      form.submit()
    }`)
    await popup.getByText('console_request_foreign').waitFor()
  }
  // A window that it opens is out of its reach, and signs nobody in by itself.
  const popup = await opens(`globalThis.opened = open('${await linkOf('mallory')}'); 0`)
  await popup.getByRole('button', { name: 'Sign in as acme/mallory' }).waitFor()
  expect(await origin.evaluate<boolean>('opened.closed')).toBe(true)
  expect(await popup.evaluate<boolean>('opener === null')).toBe(true)
  await page.reload()
  await page.getByText('acme/olga').first().waitFor()
  const token = await setting.token({ scope: OPERATOR })
  const held = (await (await setting.ask('/.edgewarden/revocations', { token })).json()) as Members
  expect(held.revocations).toMatchObject([{ id: entry.id }])
  await context.close()
})

it('signing out ends it in every tab: none goes on to show decisions', async () => {
  const context = await chromium.browser.newContext()
  const page = await enter(context, 'olga')
  const other = await context.newPage()
  await other.goto(`${ops}/decisions`)
  await other.getByRole('status').filter({ hasText: 'Live' }).waitFor()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await other.getByText('npx edgewarden console').waitFor()
  await context.close()
})
