import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ROOT } from '../../kit/repository.ts'
import { type Browsing, faultsOf, startBrowsing, toDecisions } from './console-browser.ts'

/** Pictures of whole screens are made in the folder EDGEWARDEN_SCREENS; with EDGEWARDEN_PICTURES those of docs/. */
const { EDGEWARDEN_SCREENS: SCREENS, EDGEWARDEN_PICTURES } = process.env
const FOLDER = SCREENS ?? (EDGEWARDEN_PICTURES && join(ROOT, 'docs/images/console'))
/** The screens that docs/ has pictures of. */
const DOCUMENTED = 'sign-in overview decisions decision policy agents agent'.split(' ')

let browsing: Browsing
beforeAll(async () => {
  browsing = await startBrowsing()
  await browsing.stray('mailer')
  if (FOLDER) await mkdir(FOLDER, { recursive: true })
})
afterAll(() => browsing.close())

const PHONE = { width: 390, height: 844 }
const DESK = { width: 1280, height: 800 }

it.each([
  ['light', 'wide', DESK],
  ['dark', 'wide', DESK],
  ['light', 'narrow', PHONE],
  ['dark', 'narrow', PHONE],
] as const)('screens are readable: %s, %s', async (colorScheme, width, viewport) => {
  const { open, linkOf, send, url, agentAt } = browsing
  const { context, page, said } = await open({ colorScheme, viewport })
  const look = async (name: string) => {
    expect([name, await faultsOf(page)]).toEqual([name, []])
    if (FOLDER === undefined || !(SCREENS || DOCUMENTED.includes(name))) return
    const ending = width === 'wide' ? colorScheme : `${width}-${colorScheme}`
    const path = join(FOLDER, `${name}-${ending}.png`)
    await page.screenshot({ path, fullPage: SCREENS !== undefined })
  }
  await page.goto(await linkOf({ client_id: 'olga' }))
  await page.getByRole('button', { name: /^Sign in as/ }).waitFor()
  await look('sign-in')
  await page.getByRole('button', { name: /^Sign in as/ }).click()
  const delegated = { act: { sub: 'planner' }, sub: 'alice' }
  await send('summarizer', '/v1/weak', delegated)
  await send('summarizer', '/v1/documents/42', delegated)
  const rows = page.getByRole('row').filter({ hasText: 'summarizer' })
  await page.getByRole('img', { name: /refused, by minute/ }).waitFor()
  await page.getByRole('row').nth(1).waitFor()
  await look('overview')
  await toDecisions(page)
  await rows.nth(1).waitFor()
  await page.getByRole('status').filter({ hasText: 'Live' }).waitFor()
  await look('decisions')
  await rows.filter({ hasText: 'scope_missing' }).first().getByRole('link').click()
  await page.getByText('What to do: ').waitFor()
  await page
    .getByText(/^Stops 1 token: /)
    .last()
    .waitFor()
  await look('decision')
  await page.getByRole('button', { name: 'Revoke this agent' }).click()
  await page.getByRole('dialog').waitFor()
  await look('confirmation')
  await page.getByRole('button', { name: 'Leave it' }).filter({ visible: true }).click()
  await page.getByRole('link', { name: 'Policy' }).click()
  await page.getByText('GET /v1/documents/{id}').click()
  await look('policy')
  await page.getByRole('link', { name: 'Agents', exact: true }).click()
  await page.getByRole('article').filter({ hasText: 'acme/mailer' }).first().waitFor()
  await look('agents')
  await page.goto(agentAt('mailer'))
  await page.getByText('files:delete: not used in 90 days').waitFor()
  await look('agent')
  await page.goto(`${url}/nothing/here`)
  await page.getByRole('heading', { name: 'There is no such page' }).waitFor()
  await look('unknown')
  await context.setOffline(true)
  await page.getByText('The gate cannot be reached.').waitFor()
  await look('offline')
  await context.setOffline(false)
  await context.clearCookies()
  await page.goto(`${url}/policy`)
  await page.getByText('npx edgewarden console').waitFor()
  await look('signed-out')
  expect(said).toEqual([])
  await context.close()
})
