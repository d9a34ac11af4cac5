import { afterAll, beforeAll, expect, it } from 'vitest'
import { type InteractiveServer, startInteractiveServer } from '../../kit/mcp/interactive-server.ts'
import { type Browsing, faultsOfState, startBrowsing } from './console-browser.ts'

const SCOPES = ['edgewarden:read', 'edgewarden:audit:read']
const CLIENT = 'edgewarden-console'

/** A gate whose people sign in at a second issuer, and Chromium. */
let server: InteractiveServer
let browsing: Browsing
beforeAll(async () => {
  server = await startInteractiveServer({
    resources: ['https://api.example.com'],
    scopes: SCOPES,
    redirectUri: 'http://localhost/person/callback/acme',
    lifetimes: { [CLIENT]: 300 },
  })
  browsing = await startBrowsing({
    issuer: server.url,
    jwks_uri: undefined,
    person: { client_id: CLIENT, scopes: SCOPES },
  })
})
afterAll(async () => {
  await browsing.close()
  await server.close()
})

it('a person signs in by the keyboard, sees who they are, and signs out', async () => {
  const { page, context, said } = await browsing.open()
  await page.goto(browsing.url)
  const button = page.getByRole('button', { name: 'Sign in at acme' })
  await button.waitFor()
  expect(await faultsOfState(page, 'person')).toEqual([])
  await button.focus()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  expect(page.url()).toBe(`${browsing.url}/`)
  expect(await page.locator('.who').textContent()).toContain('ada')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await button.waitFor()
  expect(await context.cookies(browsing.url)).toEqual([])
  expect(said).toEqual([])
})

it('the sign-in ends at the address at which it began', async () => {
  const { page, context, said } = await browsing.open()
  const begun = `${browsing.url}/decisions?range=7d&agent=mailer`
  await page.goto(begun)
  await page.getByRole('button', { name: 'Sign in at acme' }).click()
  await page.getByRole('heading', { name: 'Decisions' }).waitFor()
  expect(page.url()).toBe(begun)
  // Only once: the first page is reached afterwards.
  await page.goto(browsing.url)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  expect(said).toEqual([])
  await context.close()
})

it('a sign-in that the issuer refused can be tried again at the same address', async () => {
  const { page, context, said } = await browsing.open()
  const begun = `${browsing.url}/policy`
  await page.goto(begun)
  const button = page.getByRole('button', { name: 'Sign in at acme' })
  await page.route(`${server.url}/**`, (route) =>
    route.fulfill({
      status: 303,
      headers: { location: `${browsing.url}/person/callback/acme?error=access_denied&state=x` },
    }),
  )
  await button.click()
  await page.getByText('The sign-in was begun in another browser').waitFor()
  expect(page.url()).toBe(begun)
  await page.unroute(`${server.url}/**`)
  await button.click()
  await page.getByRole('heading', { name: 'Policy' }).waitFor()
  expect(page.url()).toBe(begun)
  expect(said).toEqual([])
  await context.close()
})

it('a person whom the issuer did not let in reads why', async () => {
  const { page, said } = await browsing.open()
  await page.goto(`${browsing.url}/person/callback/acme?error=access_denied&state=x`)
  await page.getByText('The sign-in was begun in another browser').waitFor()
  expect(page.url()).toBe(`${browsing.url}/`)
  expect(said).toEqual([])
})
