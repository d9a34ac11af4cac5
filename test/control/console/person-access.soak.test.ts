import type { BrowserContext } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AccessTeam, startAccessTeam } from '../../kit/access-team.ts'
import { type Browsing, startBrowsing } from './console-browser.ts'

const SCOPES = 'edgewarden:read edgewarden:audit:read edgewarden:approve'

/** A gate whose console is behind Access, and Chromium. */
let team: AccessTeam
let browsing: Browsing
beforeAll(async () => {
  team = await startAccessTeam()
  browsing = await startBrowsing(
    {},
    {
      others: {
        access: {
          ...{ issuer: team.url, jwks_uri: `${team.url}/cdn-cgi/access/certs` },
          ...{ allow_insecure_http: true, profile: 'generic', audiences: [team.aud] },
          ...{ agent_id: 'email', agent_prefix: 'people/', required_claims: [] },
          ...{ max_lifetime: '24h', scope: '/custom/edgewarden', admin: 'all', rules: false },
          person: { access: true },
        },
      },
      routes: [{ match: 'POST /v1/refunds', scopes: [], approval: {} }],
    },
  )
})
afterAll(async () => {
  await browsing.close()
  await team.close()
})

/** The id of a call that waits. */
const waiting = async (agent: string) => {
  const answer = await browsing.send(agent, '/v1/refunds', {}, { method: 'POST', body: '{}' })
  return ((await answer.json()) as { approval: { id: string } }).approval.id
}

/** Access in front of the console: it adds the assertion of its session, which began an hour ago. */
const behindAccess = async (context: BrowserContext, sub: string, sendsOn: boolean) => {
  const loggedIn = async (ago: number) => {
    team.says({ user_uuid: sub, iat: Math.floor(Date.now() / 1000) - ago })
    return team.assertion({ sub, custom: { edgewarden: SCOPES } })
  }
  let assertion = await loggedIn(3_600)
  await context.route(`${browsing.url}/**`, async (route) => {
    const request = route.request()
    const url = new URL(request.url())
    if (url.pathname !== '/cdn-cgi/access/logout') {
      const headers = { ...request.headers(), 'cf-access-jwt-assertion': assertion }
      return route.continue({ headers })
    }
    assertion = await loggedIn(0)
    const next = sendsOn
      ? `<meta http-equiv="refresh" content="0;${url.searchParams.get('returnTo')}">`
      : ''
    return route.fulfill({ contentType: 'text/html', body: `${next}You have logged out` })
  })
}

it('a person behind Access logs in again, and approves the call at which they began', async () => {
  const { page, context, said } = await browsing.open()
  await behindAccess(context, 'maria', true)
  const address = `${browsing.url}/approvals/${await waiting('one')}`
  await page.goto(address)
  await page.getByText('Only a person who has signed in').waitFor()
  await page.getByRole('button', { name: 'Sign in at access' }).click()
  const approve = page.getByRole('button', { name: 'Approve' })
  await approve.click()
  expect(page.url()).toBe(address)
  expect(await page.locator('.who').textContent()).toContain('maria')
  await page.getByRole('dialog').getByRole('button', { name: 'Approve' }).click()
  await page.getByRole('heading', { name: 'Approval: approved' }).waitFor()
  expect(said).toEqual([])
  await context.close()
})

it('a person whom Access does not send on opens the console again, and is in', async () => {
  const { page, context, said } = await browsing.open()
  await behindAccess(context, 'olga', false)
  const address = `${browsing.url}/approvals/${await waiting('two')}`
  await page.goto(address)
  await page.getByRole('button', { name: 'Sign in at access' }).click()
  await page.getByText('You have logged out').waitFor()
  await page.goto(address)
  await page.getByRole('button', { name: 'Sign in at access' }).click()
  await page.getByRole('button', { name: 'Approve' }).waitFor()
  expect(await page.locator('.who').textContent()).toContain('olga')
  expect(said).toEqual([])
  await context.close()
})
