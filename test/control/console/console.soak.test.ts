import { createServer } from 'node:http'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { learned } from '../../e2e/learned.ts'
import { eventually } from '../../kit/eventually.ts'
import { type Browsing, CAREFUL, startBrowsing, toDecisions } from './console-browser.ts'
import { COOKIE, type ConsoleSetting, OPERATOR } from './console-setting.ts'

let browsing: Browsing
let setting: ConsoleSetting
/** The address of the console for a browser. */
let url: string
let open: Browsing['open']
let linkOf: Browsing['linkOf']
let enter: Browsing['enter']
let send: Browsing['send']
let stray: Browsing['stray']

beforeAll(async () => {
  browsing = await startBrowsing()
  ;({ setting, url, open, linkOf, enter, send, stray } = browsing)
})
afterAll(() => browsing.close())

const actsOf = async (agent: string) => {
  const token = await setting.token({ scope: OPERATOR })
  return (await setting.ask(`/.edgewarden/decisions?kind=act&agent=${agent}`, { token })).text()
}

/** Presses a button and the one of the same name in the dialog that it opens. */
const confirm = async (page: Page, name: string) => {
  await page.getByRole('button', { name, exact: true }).first().click()
  await page.getByRole('dialog').getByRole('button', { name, exact: true }).click()
}

describe('signing in', () => {
  it('takes a code once, after a click, and leaves nothing of it in the page', async () => {
    const { context, page, said } = await open()
    const link = await linkOf({ client_id: 'olga', sub: 'olga@example.com' })
    await page.goto(link)
    const terms = page.getByRole('term')
    await terms.nth(2).waitFor()
    expect(await terms.allTextContents()).toEqual(['Issuer', 'Subject', 'Scopes'])
    expect(await page.getByRole('definition').allTextContents()).toEqual([
      setting.issuer.issuer,
      'olga@example.com',
      expect.stringMatching(/^edgewarden:revoke edgewarden:read .*edgewarden:agents$/),
    ])
    await page.getByRole('button', { name: 'Sign in as acme/olga' }).click()
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    expect(page.url()).toBe(`${url}/`)
    const [cookie] = await context.cookies()
    expect(cookie).toMatchObject({
      name: COOKIE,
      httpOnly: true,
      secure: true,
      sameSite: 'Strict',
      path: '/',
    })
    const seen = await page.evaluate<string>(
      'JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }, location.href])',
    )
    expect(seen + (await page.content())).not.toMatch(/eyJ/)
    expect(said).toEqual([])

    const other = await open()
    await other.page.goto(link)
    await other.page.getByRole('button', { name: 'Sign in as acme/olga' }).click()
    await other.page.getByText('was already used').waitFor()
    expect(await other.context.cookies()).toEqual([])
    await other.context.close()
    await context.close()
  })

  it('says so where the browser keeps no cookie', async () => {
    const { context, page } = await open()
    await page.route('**/session', (route) => route.fulfill({ status: 204 }))
    await page.goto(await linkOf())
    await page.getByRole('button', { name: /^Sign in as/ }).click()
    await page.getByText('This browser does not keep the cookie').waitFor()
    await context.close()
  })

  it('ends by signing out, and when the operator is revoked', async () => {
    const { context, page } = await open()
    await enter(page)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await page.getByText('npx edgewarden console').waitFor()
    expect(await context.cookies()).toEqual([])
    await enter(page, { client_id: 'leaver' })
    await toDecisions(page)
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor()
    await setting.ask('/.edgewarden/revocations', {
      method: 'POST',
      token: await setting.token({ scope: OPERATOR }),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ kind: 'agent', issuer: setting.issuer.issuer, value: 'leaver' }),
    })
    await page.getByRole('heading', { name: 'Your session has ended' }).waitFor()
    await page.getByText('npx edgewarden console').waitFor()
    // Somebody signs in in another tab, and this one goes on where it was.
    const other = await context.newPage()
    await enter(other)
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await page.getByRole('heading', { name: 'Decisions' }).waitFor()
    await context.close()
  })
})

describe('the screens', () => {
  it('show a decision as it comes, filters by the address, and each stage of it', async () => {
    const { context, page, said } = await open()
    await enter(page)
    await toDecisions(page)
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor()
    await page.getByLabel('Agent', { exact: true }).fill('typed before')
    await send('reader', '/v1/weak')
    const row = page.getByRole('row').filter({ hasText: 'acme/reader' })
    await row.getByText('scope_missing').waitFor()
    expect(await page.getByLabel('Agent', { exact: true }).inputValue()).toBe('typed before')

    await page.getByLabel('Agent', { exact: true }).fill('acme/reader')
    await page.getByLabel('Agent', { exact: true }).press('Enter')
    await eventually(() => expect(page.url()).toBe(`${url}/decisions?range=1h&agent=acme%2Freader`))
    await send('another', '/v1/weak')
    await send('reader', '/v1/documents/7')
    await page.getByRole('row').filter({ hasText: 'documents' }).first().waitFor()
    expect(await page.getByRole('row').filter({ hasText: 'acme/another' }).count()).toBe(0)
    await page.reload()
    await page.getByRole('row').filter({ hasText: 'acme/reader' }).first().waitFor()

    const live = page.getByRole('switch', { name: 'New ones as they come' })
    await live.click()
    await page.getByText('Paused').waitFor()
    expect(await live.getAttribute('aria-checked')).toBe('false')
    await live.click()
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor()

    await page.getByRole('row').filter({ hasText: 'scope_missing' }).getByRole('link').click()
    const answer = 'Refused acme/reader may not call GET /v1/weak'
    await page.getByRole('heading', { name: answer }).waitFor()
    await page.getByText('The token lacks a scope this route needs').waitFor()
    await page.getByText('What to do: Request a token with the scopes that are named.').waitFor()
    await page.getByRole('region', { name: 'Wanted' }).getByText('reports:write').waitFor()
    await page.getByRole('region', { name: 'Found' }).getByText('chat:write').waitFor()
    const stage = page.getByRole('listitem').filter({ hasText: 'scope: denied' })
    await stage.getByText('required scopes').waitFor()
    await stage.getByText('reports:write', { exact: true }).waitFor()
    expect(await page.getByText('authentication: not run').isVisible()).toBe(false)
    await page.getByText(/^\d+ not run$/).click()
    await page.getByText('authentication: not run').waitFor()
    await page.getByRole('img', { name: /Who acts for whom: .*acme\/reader/ }).waitFor()
    await page.getByText('The policy is the same today.').waitFor()
    await page.getByText('The whole policy, then and today').click()
    const rule = page.getByRole('rowheader', { name: 'GET /v1/documents/{id}' })
    await rule.waitFor()
    await page.getByRole('rowheader', { name: 'gate.resource' }).waitFor()
    const stranger = await setting.ask('/v1/weak', { headers: { 'x-request-id': 'stranger-1' } })
    expect(stranger.status).toBe(401)
    await page.goto(`${url}/decisions/stranger-1`)
    await page.getByText('credential: denied').waitFor()
    await page.getByRole('heading', { name: 'Refused no token may not call' }).waitFor()
    await page.getByText(/^\d+ not run$/).click()
    await page.getByText('issuer: not run').waitFor()
    expect(await page.getByRole('link', { name: 'All decisions of this agent' }).count()).toBe(0)
    expect(said).toEqual([])
    await context.close()
  })

  it('filter decisions at the gate, by time too, and turn to older and newer ones', async () => {
    for (let count = 0; count < 3; count++) {
      await Promise.all(Array.from({ length: 50 }, () => send('pager', '/v1/documents/1')))
    }
    await send('pager', '/v1/weak')
    const { context, page, said } = await open()
    await enter(page)
    await page.goto(`${url}/decisions?agent=acme/pager&live=off`)
    const rows = page.locator('.rows table')
    const counts = page.getByRole('img', { name: '150 requests allowed, 1 refused, by minute' })
    await eventually(async () => {
      await page.reload()
      await counts.waitFor({ timeout: 2_000 })
    })
    expect(await rows.getAttribute('aria-rowcount')).toBe('101')
    await page.getByRole('button', { name: 'Older' }).click()
    await eventually(async () => expect(await rows.getAttribute('aria-rowcount')).toBe('52'))
    expect(await page.getByRole('button', { name: 'Older' }).count()).toBe(0)
    // A page of older ones is not live, and can be sent to others.
    expect(await page.getByRole('switch').count()).toBe(0)
    await page.getByRole('button', { name: 'Newer' }).click()
    await eventually(async () => expect(await rows.getAttribute('aria-rowcount')).toBe('101'))
    await page.getByLabel('Answer').selectOption('refused')
    await page.getByRole('img', { name: '0 requests allowed, 1 refused' }).waitFor()
    await page.getByRole('row').filter({ hasText: 'scope_missing' }).waitFor()
    await page.getByText('More filters').click()
    await page.getByLabel('Until').fill('2020-01-01T00:00:00')
    await page.getByText('No decision fits the filter in this time.').waitFor()
    await page.getByRole('link', { name: 'Remove the filter' }).click()
    await page.getByRole('row').filter({ hasText: 'acme/pager' }).first().waitFor()
    // The gate's own calls are only there when they are asked for.
    expect(await page.getByRole('row').filter({ hasText: '/.edgewarden/' }).count()).toBe(0)
    await page.getByText('More filters').click()
    await page.getByLabel("With the gate's own calls").check()
    await page.getByRole('row').filter({ hasText: '/.edgewarden/' }).first().waitFor()
    await page.goto(`${url}/decisions?code=scope_mising`)
    await page.getByRole('alert').getByText('scope_missing').waitFor()
    expect(said).toEqual([])
    await context.close()
  })

  it('kill an agent: its open stream ends, the time is told, and the audit has who it was', async () => {
    const { context, page } = await open()
    await enter(page, { client_id: 'killer' })
    setting.origin.on('/v1/stream', (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: begun\n\n')
    })
    const stream = await send('rogue', '/v1/stream')
    const read = stream.text()
    // Another agent acts for it.
    await send('helper', '/v1/documents/1', { act: { sub: 'rogue' }, sub: 'rogue' })
    const entry = { issuer: setting.issuer.issuer, agent: 'rogue' }
    const path = `/.edgewarden/agents/entry?${new URLSearchParams(entry)}`
    await eventually(async () => {
      const asked = { token: await setting.token({ scope: OPERATOR }) }
      expect(await (await setting.ask(path, asked)).text()).toContain('"agent":"helper"')
    })
    await toDecisions(page)
    await page.getByRole('row').filter({ hasText: 'acme/rogue' }).getByRole('link').first().click()
    await page.getByRole('button', { name: 'Revoke this agent' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('Every token of this agent is refused').waitFor()
    const hit =
      'Stops 1 agent: 1 call allowed in the last hour, and 1 that acts for it (acme/helper).'
    await dialog.getByText(hit).waitFor()
    await dialog.getByLabel('Reason').fill('leaked')
    await dialog.getByRole('button', { name: 'Revoke this agent' }).click()
    await page
      .getByText(
        /^Revoked: \d+ of \d+ shards had it after \d+ ms\. It counts now\. To undo, lift the/,
      )
      .waitFor()
    expect(await read).toContain('event: edgewarden.closed\ndata: {"code":"token_revoked"}')
    expect((await send('rogue', '/v1/documents/1')).status).toBe(401)
    setting.origin.clear()
    const token = await setting.token({ scope: OPERATOR })
    await eventually(async () => {
      const acts = await (await setting.ask('/.edgewarden/decisions?kind=act', { token })).text()
      expect(acts).toMatch(/"agent":"killer"/)
    })
    await page.getByRole('button', { name: 'Lift' }).click()
    await dialog.getByRole('button', { name: 'Lift' }).click()
    await eventually(async () => expect((await send('rogue', '/v1/documents/1')).status).toBe(200))
    await context.close()
  })

  it('lead from an alert to the quarantine and its release', async () => {
    await stray('odd')
    const { context, page, said } = await open()
    await enter(page, { client_id: 'alma' })
    await page.getByRole('link', { name: 'Agents', exact: true }).click()
    const alerts = page.getByRole('article').filter({ hasText: 'acme/odd' })
    const alert = alerts.filter({ hasText: 'new_use' })
    const other = alerts.filter({ hasText: 'new_scope' })
    await alert.getByText('a rule or tool for the first time').waitFor()
    await alert.getByText('known: 1 use').waitFor()
    await alert.getByText('use GET /v1/weak').waitFor()
    await alert.getByText('quarantined until').waitFor()
    await other.getByText('quarantined until').waitFor()
    await alert.getByRole('button', { name: 'Release' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('the quarantine ends, and nothing is learned').waitFor()
    await dialog.getByRole('button', { name: 'Release' }).click()
    await page.getByText(/^Released: after \d+ ms\.$/).waitFor()
    await alert.waitFor({ state: 'detached' })
    expect((await send('odd', '/v1/documents/1', CAREFUL)).status).toBe(200)
    // Both alerts have one quarantine.
    await other.getByText('quarantined until').waitFor({ state: 'detached' })
    await confirm(page, 'Dismiss')
    await page.getByText(/^Dismissed: /).waitFor()
    await page.getByText('No alert is open.').waitFor()
    await eventually(async () => expect(await actsOf('alma')).toMatch(/"act":"release"/))

    await stray('worse')
    await page.reload()
    await confirm(page, 'Suspend')
    await page.getByText(/^Suspended: \d+ of \d+ shards had it after \d+ ms\. It counts/).waitFor()
    const row = page.getByRole('row').filter({ hasText: 'acme/worse' })
    await row.getByText('suspended').waitFor()
    await row.getByRole('link').click()
    await page.getByRole('article').getByText('suspend by').waitFor()
    await page.getByText(/requests an hour [\d.]+; rules and tools \d+.*since 20/).waitFor()
    await page.getByRole('heading', { name: 'acme/worse: suspended' }).waitFor()
    await page.goBack()
    await page.getByLabel('status').selectOption('suspended')
    await eventually(() => expect(page.url()).toContain('status=suspended'))
    expect(said).toEqual([])
    await context.close()
  })

  it('say what a viewer may not do, and what the rules are', async () => {
    const { context, page } = await open()
    await enter(page, { scope: 'edgewarden:read edgewarden:audit:read', client_id: 'viewer' })
    await page.getByText('acme/viewer viewer').waitFor()
    await page.getByRole('link', { name: 'Agents', exact: true }).click()
    await page.getByText('Agents need the scope edgewarden:agents.').waitFor()
    await page.getByRole('link', { name: 'Policy' }).click()
    await page.getByLabel('Find rules').fill('documents')
    await page.getByText('GET /v1/documents/{id}').click()
    await page.getByRole('heading', { name: 'Who came, last day' }).waitFor()
    expect(await page.getByText('GET /v1/weak').count()).toBe(0)
    await context.close()
  })

  it('say when the gate cannot be reached, and go on without a gap', async () => {
    const { context, page } = await open()
    await enter(page)
    await toDecisions(page)
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor()
    await context.setOffline(true)
    await page.getByText('The gate cannot be reached.').waitFor()
    await page.getByRole('status').filter({ hasText: 'Connection lost' }).waitFor()
    expect(await page.getByRole('status').filter({ hasText: 'Live' }).count()).toBe(0)
    await send('meanwhile', '/v1/weak')
    await context.setOffline(false)
    await page.getByRole('row').filter({ hasText: 'acme/meanwhile' }).waitFor()
    await context.close()
  })

  it('stay quick with thousands of rows', async () => {
    const { context, page } = await open()
    await enter(page)
    await toDecisions(page)
    for (let batch = 0; batch < 20; batch++) {
      await Promise.all(Array.from({ length: 100 }, () => send('many', '/v1/weak')))
    }
    await eventually(async () =>
      expect(
        Number(await page.locator('.rows table').getAttribute('aria-rowcount')),
      ).toBeGreaterThan(2_000),
    )
    expect(await page.locator('.rows tbody tr').count()).toBeLessThan(60)
    await page.locator('.rows').evaluate((box) => box.scrollTo(0, box.scrollHeight))
    await eventually(async () =>
      expect(
        Number(await page.locator('.rows tr[aria-rowindex]').last().getAttribute('aria-rowindex')),
      ).toBeGreaterThan(1_900),
    )
    await context.close()
  })

  it('can be used by keyboard alone', async () => {
    const { context, page } = await open()
    await page.goto(await linkOf())
    await page.getByRole('button', { name: /^Sign in as/ }).waitFor()
    const tabTo = async (name: string) => {
      for (let count = 0; count < 60; count++) {
        await page.keyboard.press('Tab')
        const at = await page.evaluate<string>("document.activeElement?.textContent ?? ''")
        if (at.startsWith(name)) return
      }
      throw new Error(`no way to ${name}`)
    }
    await tabTo('Sign in as')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await tabTo('Decisions')
    await page.keyboard.press('Enter')
    await page.getByRole('row').nth(1).waitFor()
    await tabTo('20')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Every stage' }).waitFor()
    await tabTo('Revoke this agent')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await tabTo('Policy')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Policy' }).waitFor()
    await context.close()
  })
})

describe('attacks', () => {
  const XSS = `<img src=x onerror=alert(1)>"'><script>alert(1)</script>\${alert(1)}{{alert(1)}}`

  it('text of agents stays text, in every field that they control', async () => {
    await send(XSS.slice(0, 200), '/v1/weak', { department: XSS, sub: XSS, jti: XSS.slice(0, 60) })
    await send('xss', '/v1/documents/%3Cscript%3Ealert(1)%3C%2Fscript%3E', {
      act: { sub: XSS },
      sub: XSS,
      department: XSS,
      workflow_id: XSS,
    })
    const tool = { name: XSS.slice(0, 60), arguments: { [XSS]: XSS } }
    const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: tool }
    await send(
      'xss',
      '/mcp',
      { aud: 'https://api.example.com/mcp' },
      {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
        body: JSON.stringify(call),
      },
    )
    const parts = [{ alg: 'ES256', kid: XSS }, { iss: XSS, sub: XSS }, {}]
    const forged = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    await setting.ask('/v1/weak', { token: forged.join('.') })
    const { context, page, said } = await open()
    await enter(page)
    await toDecisions(page)
    await page.getByText('<img src=x').first().waitFor()
    const links = page.locator('.rows tbody a')
    const count = Math.min(await links.count(), 6)
    for (let index = 0; index < count; index++) {
      await links.nth(index).click()
      await page.getByRole('heading', { name: 'Every stage' }).waitFor()
      for (const details of await page.locator('details').all()) {
        await details.evaluate((one) => one.setAttribute('open', ''))
      }
      expect(await page.locator('img[src=x], main script').count()).toBe(0)
      await page.goBack()
      await page.locator('.rows').waitFor()
    }
    await page.goto(`${url}/decisions?agent=${encodeURIComponent(`acme/${XSS}`)}`)
    await page.getByRole('row').filter({ hasText: '<img src=x' }).first().waitFor()
    await page.goto(`${url}/decisions/${encodeURIComponent(XSS)}`)
    await page.getByText('No decision has the id').waitFor()
    expect(said).toEqual([])
    await context.close()
  })

  it('text about agents stays text: ids, names, owners, purposes, and tools of alerts', async () => {
    const agent = `x ${XSS}`
    const [issuer, path] = [setting.issuer.issuer, '/.edgewarden/agents/entry']
    const registered = await setting.ask(`${path}?${new URLSearchParams({ issuer, agent })}`, {
      method: 'PUT',
      token: await setting.token({ scope: OPERATOR }),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: XSS, owners: [XSS], purpose: XSS, client: XSS, types: [XSS] }),
    })
    expect(registered.status).toBe(200)
    await learned(setting, agent, 'careful', { rule: 'GET /v1/documents/{id}' })
    const params = { name: '<img/src=x/onerror=alert(1)>', arguments: {} }
    const called = await send(
      agent,
      '/mcp',
      { ...CAREFUL, aud: 'https://api.example.com/mcp', act: { sub: XSS } },
      {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
      },
    )
    expect(called.status).toBe(200)
    const { context, page, said } = await open()
    await enter(page)
    await eventually(async () => {
      await page.goto(`${url}/agents?needs=`)
      await page.getByText('onerror=alert(1)>').first().waitFor({ timeout: 2_000 })
      const alert = page.getByRole('article').filter({ hasText: '<img src=x' })
      await alert.getByText('POST /mcp <img/src').waitFor({ timeout: 2_000 })
    })
    await page.getByRole('row').filter({ hasText: 'acme/x <img' }).getByRole('link').first().click()
    await page.getByRole('heading', { name: 'Scopes granted against used' }).waitFor()
    await page.getByText('POST /mcp').first().waitFor()
    await page.getByRole('button', { name: 'Suspend' }).first().click()
    await page.getByRole('dialog').getByText('<img src=x').waitFor()
    expect(await page.locator('img, main script').count()).toBe(0)
    expect(said).toEqual([])
    await context.close()
  })

  it('a page of another origin can do nothing, nor frame it', async () => {
    const { context, page } = await open()
    await enter(page)
    const evil = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' })
      response.end('<title>evil</title>')
    }).listen(0, '127.0.0.1')
    try {
      await new Promise((done) => evil.once('listening', done))
      const { port } = evil.address() as { port: number }
      // `localhost` at another port is another origin of the same site; the address is another site.
      for (const host of ['localhost', '127.0.0.1']) {
        const other = await context.newPage()
        await other.goto(`http://${host}:${port}/`)
        const outcomes = await other.evaluate(async (console) => {
          const tries = [
            fetch(`${console}/api/policy`, { credentials: 'include' }),
            fetch(`${console}/api/policy`, { credentials: 'include', mode: 'no-cors' }),
            fetch(`${console}/api/revocations`, {
              method: 'POST',
              credentials: 'include',
              headers: { 'x-edgewarden-console': '1', 'content-type': 'application/json' },
              body: '{}',
            }),
            fetch(`${console}/session`, {
              method: 'POST',
              credentials: 'include',
              mode: 'no-cors',
              body: '{}',
            }),
          ]
          return Promise.all(
            tries.map((one) =>
              one.then(
                ({ type, ok }) => `${type} ${ok}`,
                () => 'refused',
              ),
            ),
          )
        }, url)
        // CORP refuses what CORS would make opaque.
        expect(outcomes).toEqual(['refused', 'refused', 'refused', 'refused'])
        await other.evaluate(`new Promise((done) => {
          const frame = document.createElement('iframe')
          frame.src = '${url}'
          frame.addEventListener('load', done)
          document.body.append(frame)
        }).then(() => true)`)
        const framed = other.frames().find((frame) => frame !== other.mainFrame())
        expect(await framed?.locator('main').count()).toBe(0)
        await other.evaluate(`const form = document.createElement('form')
          form.method = 'POST'
          form.action = '${url}/session'
          document.body.append(form)
          form.submit()`)
        await other.getByText('console_request_foreign').waitFor()
        await other.close()
      }
      await page.reload()
      await page.getByRole('heading', { name: 'Overview' }).waitFor()
    } finally {
      evil.closeAllConnections()
      evil.close()
    }
    await context.close()
  })

  it('an origin can set neither the cookie nor a service worker of the console', async () => {
    const { context, page } = await open()
    setting.origin.on('*', (request, response) => {
      const isScript = request.url?.endsWith('.js')
      response.writeHead(200, {
        'content-type': isScript ? 'text/javascript' : 'text/html',
        'service-worker-allowed': '/',
        'set-cookie': [
          `${COOKIE}=evil; Path=/; Domain=localhost`,
          `${COOKIE}=evil; Path=/x; Secure`,
          `=${COOKIE}=evil; Path=/`,
        ],
      })
      response.end(isScript ? '' : '<title>origin</title>')
    })
    // The API is at the address, and its pages are of another origin than the console's.
    await page.route('**/v1/**', async (route) => {
      const token = await setting.token({ client_id: 'page' })
      await route.continue({
        headers: { ...route.request().headers(), authorization: `Bearer ${token}` },
      })
    })
    await page.goto(`http://127.0.0.1:${setting.gate.port}/v1/documents/page`)
    await enter(page)
    const [cookie, ...others] = (await context.cookies(url)).filter(({ name }) => name === COOKIE)
    expect(others).toEqual([])
    expect(cookie?.value).not.toBe('evil')
    expect(
      await page.evaluate<number>(
        'navigator.serviceWorker.getRegistrations().then(({ length }) => length)',
      ),
    ).toBe(0)
    setting.origin.clear()
    await context.close()
  })
})
