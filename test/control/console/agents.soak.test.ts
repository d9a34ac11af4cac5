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
  expect(await page.title()).toBe('helper – Edgewarden')
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
  await dialog.getByText('Stops 1 agent: 1 call allowed in the last hour.').waitFor()
  await dialog.getByRole('button', { name: 'Leave it' }).click()
  await act(page, 'Suspend')
  await page.getByText(/^Suspended: .* To undo, resume it here\.$/).waitFor()
  await page.getByText('suspended: the gate refuses each of its requests').waitFor()
  await act(page, 'Resume')
  await act(page, 'Revoke this agent', { Reason: '<b>leaked</b>' })
  await page.getByText('revoked: the gate refuses each of its requests').waitFor()
  await page.getByText(/^revoked agent worker, .* by .*olga.*: <b>leaked<\/b>/).waitFor()
  await looked(page, 'agent-revoked')
  await act(page, 'Lift')
  await page.getByText(/^Lifted: /).waitFor()
  const acts = page.getByRole('region', { name: 'Its acts' }).getByRole('row')
  await eventually(async () => {
    await page.reload()
    await acts.filter({ hasText: 'lifted the revocation of it' }).waitFor({ timeout: 2_000 })
    const made = acts.filter({ hasText: /olga.*revoked it.*<b>leaked<\/b>/ })
    await made.waitFor({ timeout: 2_000 })
  })
  // Acts, and the row of the heads.
  expect(await acts.count()).toBe(1 + 4)
  await looked(page, 'agent-acts')
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

it('are suspended or revoked several at once: each has its own result', async () => {
  for (const agent of ['first', 'second', 'olga']) await called(agent)
  const { send } = browsing
  const { context, page, said } = await browsing.open()
  await browsing.enter(page)
  await page.goto(`${browsing.url}/agents?needs=`)
  await page.getByText('Choose agents to suspend or revoke several at once.').waitFor()
  for (const agent of ['first', 'second', 'olga']) {
    await page.getByRole('checkbox', { name: `Choose acme/${agent}` }).press('Space')
  }
  await looked(page, 'agents-chosen')
  await page.getByRole('button', { name: 'Suspend 3 agents' }).press('Enter')
  const dialog = page.getByRole('dialog')
  await dialog.getByText('Stops 3 agents: 3 calls allowed in the last hour.').waitFor()
  for (const agent of ['first', 'second', 'olga']) {
    await dialog.getByText(`acme/${agent}`, { exact: true }).waitFor()
  }
  await looked(page, 'agents-several')
  await dialog.getByLabel('Reason').fill('all of them')
  await dialog.getByRole('button', { name: 'Suspend 3 agents' }).click()
  await page.getByText(/^Suspended 2 of 3 agents\. To undo, resume/).waitFor()
  const results = page.getByRole('list', { name: 'Results' }).getByRole('listitem')
  await results.filter({ hasText: /^done acme\/first: Suspended: / }).waitFor()
  await results.filter({ hasText: /^done acme\/second: Suspended: / }).waitFor()
  // Nobody locks themselves out.
  await results.filter({ hasText: /^failed acme\/olga: .*would_lock_out/ }).waitFor()
  await looked(page, 'agents-done')
  expect(await entry('first')).toMatchObject({ status: 'suspended', reason: 'all of them' })
  expect((await send('second', '/v1/documents/1')).status).toBe(403)
  expect((await send('olga', '/v1/documents/1')).status).toBe(200)
  expect(await page.getByRole('checkbox', { checked: true }).count()).toBe(0)
  // What gives access is done one at a time.
  await page.getByRole('checkbox', { name: 'All on this page' }).check()
  expect(await page.getByRole('button', { name: /^(?:Approve|Resume|Lift)/ }).count()).toBe(0)
  await page.getByRole('checkbox', { name: 'All on this page' }).uncheck()
  await page.getByRole('checkbox', { name: 'Choose acme/second' }).check()
  await act(page, 'Revoke 1 agent')
  await page.getByText('Revoked 1 of 1 agent. To undo, lift').waitFor()
  expect((await send('second', '/v1/documents/1')).status).toBe(401)
  expect(said).toEqual([])
  await context.close()
})

it('show who acts for whom as a picture of links, and more where there are many', async () => {
  await called('middle', { act: { sub: 'middle', act: { sub: 'boss' } } })
  const helpers = Array.from({ length: 8 }, (_, at) => `helper-${at}`)
  const act = { sub: 'helper', act: { sub: 'middle' } }
  await Promise.all(helpers.map((sub) => called(sub, { act: { ...act, sub } })))
  await eventually(async () => {
    const seen = (await entry('middle')).seen as { children: readonly { agent: string }[] }
    expect(seen.children.map(({ agent }) => agent).sort()).toEqual(helpers)
  })
  await entry('helper-7', 'PATCH', { status: 'suspended' })
  const { context, page, said } = await browsing.open()
  await browsing.enter(page)
  await page.goto(browsing.agentAt('middle'))
  const section = page.getByRole('region', { name: 'Neighbours' })
  await section.getByRole('list', { name: 'It acts for' }).getByRole('link').waitFor()
  expect(await section.getByRole('list', { name: 'It acts for' }).allTextContents()).toEqual([
    'acme/boss',
  ])
  const acting = section.getByRole('list', { name: 'Act for it' })
  expect(await acting.getByRole('link').count()).toBe(6)
  expect(await section.locator('path').count()).toBe(1 + 7)
  await looked(page, 'agent-neighbours')
  await acting.getByRole('button', { name: 'and 2 more' }).press('Enter')
  await acting.getByRole('link').nth(7).waitFor()
  expect(await section.locator('path').count()).toBe(1 + 8)
  expect((await acting.getByRole('link').allTextContents()).sort()).toEqual(
    helpers.map((one) => (one === 'helper-7' ? `acme/${one} suspended` : `acme/${one}`)),
  )
  // Every line ends in the middle of its box, however many there are.
  await page.setViewportSize({ width: 1280, height: 800 })
  const ends = `[...document.querySelectorAll('.neighbours svg:last-of-type path')].map((path) => {
    const { x, y } = path.getPointAtLength(path.getTotalLength()).matrixTransform(path.getScreenCTM())
    return document.elementFromPoint(x + 2, y)?.textContent })`
  await acting.scrollIntoViewIfNeeded()
  expect(await page.evaluate(ends)).toEqual(await acting.getByRole('link').allTextContents())
  await acting.getByRole('link', { name: 'acme/helper-3' }).press('Enter')
  await page.getByRole('heading', { name: 'acme/helper-3: discovered' }).waitFor()
  await section.getByRole('link', { name: 'acme/middle' }).waitFor()
  expect(await section.getByRole('list', { name: 'Act for it' }).count()).toBe(0)
  await page.goto(browsing.agentAt('worker'))
  await section.getByText('No token of this agent has named another agent').waitFor()
  expect(said).toEqual([])
  await context.close()
})
