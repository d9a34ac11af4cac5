import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually } from '../../kit/eventually.ts'
import type { Members } from '../../kit/signing.ts'
import { type Browsing, faultsOfState, startBrowsing } from './console-browser.ts'

let browsing: Browsing
beforeAll(async () => {
  browsing = await startBrowsing()
})
afterAll(() => browsing.close())

const ENTRY = '/.edgewarden/agents/entry'

/** The registry's entry of an agent, or what a change of it answers. */
const entry = async (agent: string, method = 'GET', body?: object): Promise<Members> => {
  const { setting } = browsing
  const query = new URLSearchParams({ issuer: setting.issuer.issuer, agent })
  const answer = await setting.ask(`${ENTRY}?${query}`, {
    method,
    token: await setting.token({ client_id: 'other', scope: 'edgewarden:agents' }),
    headers: { 'content-type': 'application/json', ...(body && { 'if-match': '*' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  return ((await answer.json()) as { agent: Members }).agent ?? {}
}

/** An agent that has called, once the registry knows it. */
const called = async (agent: string, claims: object = {}) => {
  for (const path of ['/v1/documents/1', '/v1/weak']) await browsing.send(agent, path, claims)
  await eventually(async () => expect(await entry(agent)).toMatchObject({ status: 'discovered' }))
}

const act = async (page: Page, label: string, fill: Members = {}) => {
  await page.getByRole('button', { name: label, exact: true }).click()
  const dialog = page.getByRole('dialog')
  for (const [name, value] of Object.entries(fill)) await dialog.getByLabel(name).fill(`${value}`)
  await dialog.getByRole('button', { name: label, exact: true }).click()
}

const looked = async (page: Page, name: string) =>
  expect(await faultsOfState(page, name)).toEqual([])

it('are approved, get an owner and a note on their page, each for the version that it shows', async () => {
  await called('helper')
  const { context, page, said } = await browsing.open()
  await browsing.enter(page)
  await page.goto(browsing.agentAt('helper'))
  await page.getByRole('heading', { name: 'acme/helper: discovered' }).waitFor()
  await act(page, 'Assign an owner', { Owner: '<b>team</b>' })
  await page.getByText(/^Assigned: /).waitFor()
  await act(page, 'Note', { Purpose: 'answers mail' })
  await page.getByText(/^Noted: /).waitFor()
  await act(page, 'Approve', { Reason: 'checked' })
  await page.getByText(/^Approved: /).waitFor()
  await page.getByRole('heading', { name: 'acme/helper: approved' }).waitFor()
  expect(await entry('helper')).toMatchObject({
    status: 'approved',
    owners: ['<b>team</b>'],
    purpose: 'answers mail',
    reason: 'checked',
  })
  await page.getByText('<b>team</b>').first().waitFor()
  expect(await page.getByRole('button', { name: 'Approve', exact: true }).count()).toBe(0)
  // Somebody else has changed it meanwhile.
  await entry('helper', 'PATCH', { purpose: 'reads mail' })
  await act(page, 'Note', { Purpose: 'writes mail' })
  await page.getByText('agent_changed').waitFor()
  expect(await entry('helper')).toMatchObject({ purpose: 'reads mail' })
  await page.getByText('reads mail').first().waitFor()
  await act(page, 'Assign an owner', { Owner: 'alice' })
  await page.getByText(/^Assigned: /).waitFor()
  expect(await entry('helper')).toMatchObject({ owners: ['<b>team</b>', 'alice'] })
  expect(said).toEqual([])
  await context.close()
})

it('show their week, and before they are stopped what that hits', async () => {
  await called('worker')
  const { context, page } = await browsing.open()
  await browsing.enter(page)
  await eventually(async () => {
    await page.goto(browsing.agentAt('worker'))
    const week = page.getByRole('img', { name: /^2 decisions in the last seven days, 1 of them/ })
    await week.waitFor({ timeout: 2_000 })
  })
  await looked(page, 'agent')
  await page.getByRole('button', { name: 'Suspend', exact: true }).click()
  const dialog = page.getByRole('dialog')
  await dialog
    .getByText('This stops 1 agent, 1 allowed calls in the last hour, 0 that act for it.')
    .waitFor()
  await dialog.getByRole('button', { name: 'Leave it' }).click()
  await page.getByRole('link', { name: 'Agents', exact: true }).click()
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.goto(`${browsing.url}/agents?needs=`)
  const row = page.getByRole('row').filter({ hasText: 'acme/worker' })
  await row.getByText('discovered').waitFor()
  await row.getByRole('cell', { name: '2', exact: true }).waitFor()
  await row.getByRole('cell', { name: '1', exact: true }).waitFor()
  await looked(page, 'agents')
  // On a phone a row is a card. Safari then forgets that it is a row, unless it is told so.
  expect(await page.locator('table :is(thead, tbody, tr, th, td):not([role])').count()).toBe(0)
  await context.close()
})
