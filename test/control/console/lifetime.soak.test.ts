import { createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type RunningBrowser, startBrowser } from '../../kit/browser.ts'
import { toDecisions } from './console-browser.ts'
import { type ConsoleSetting, cookieIn, OPERATOR, startConsole } from './console-setting.ts'

/** Sessions are as short as tokens of the issuer may be. */
const SECONDS = 6

let setting: ConsoleSetting
let chromium: RunningBrowser
beforeAll(async () => {
  ;[setting, chromium] = await Promise.all([
    startConsole({
      gate: { assertion: 'identity', console: { host: 'localhost' }, clock_tolerance: '0s' },
      issuer: { admin: 'all', max_lifetime: `${SECONDS}s` },
    }),
    startBrowser(),
  ])
})
afterAll(async () => {
  await setting.close()
  await chromium.close()
})

const short = () => {
  const iat = Math.floor(Date.now() / 1000)
  return { iat, exp: iat + SECONDS }
}
const host = () => `localhost:${setting.gate.port}`
const asked = (cookie: string) =>
  setting.gate.fetch('/api/console', { headers: { host: host(), cookie } })

it('a session goes on while it is asked for, and ends when it is not', async () => {
  const enter = await setting.gate.fetch('/session', {
    method: 'POST',
    headers: {
      host: host(),
      origin: `http://${host()}`,
      'x-edgewarden-console': '1',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ code: await setting.code(short()) }),
  })
  const first = cookieIn(enter) ?? ''
  let cookie = first
  const end = Date.now() + 2.5 * SECONDS * 1000
  while (Date.now() < end) {
    const answer = await asked(cookie)
    expect(answer.status).toBe(200)
    cookie = cookieIn(answer) ?? cookie
    await wait(500)
  }
  expect((await asked(first)).status).toBe(403)
  await wait((SECONDS + 1) * 1000)
  expect((await asked(cookie)).status).toBe(403)
})

it('a page whose session has ended says so, and offers to sign in', async () => {
  const page = await chromium.browser.newPage()
  await page.goto(`http://${host()}/#code=${await setting.code(short())}`)
  await page.getByRole('button', { name: /^Sign in as/ }).click()
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  await toDecisions(page)
  // The page asks once a minute; the stream of decisions ends with the session.
  await page.getByText('npx edgewarden console').waitFor()
})

it('a page whose session of Cloudflare Access has ended leads to signing in there', async () => {
  const assertion = await setting.token({ ...short(), scope: OPERATOR })
  let isSignedIn = true
  // Access, in front of the gate: it redirects to another host whom it does not know.
  const access = createServer((request, response) => {
    const { port } = access.address() as AddressInfo
    if (request.headers.host?.startsWith('127.')) {
      response.writeHead(200, { 'content-type': 'text/html' }).end('Sign in at Access')
    } else if (isSignedIn) {
      const { method, url: path, headers } = request
      const given = { ...headers, 'cf-access-jwt-assertion': assertion }
      const options = { port: setting.gate.port, host: '127.0.0.1', method, path, headers: given }
      const passed = send(options, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      request.pipe(passed.on('error', () => response.destroy()))
    } else {
      response.writeHead(302, { location: `http://127.0.0.1:${port}/` }).end()
    }
  }).listen(0, '127.0.0.1')
  await new Promise((done) => access.once('listening', done))
  const page = await chromium.browser.newPage()
  await page.goto(`http://localhost:${(access.address() as AddressInfo).port}/`)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  await toDecisions(page)
  isSignedIn = false
  // The stream of decisions ends with the assertion, if no other request is the first.
  await page.getByRole('link', { name: 'sign in with Access' }).click()
  await page.getByText('Sign in at Access').waitFor()
  access.closeAllConnections()
  access.close()
})
