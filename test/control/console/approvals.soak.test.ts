import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { call, result } from '../../e2e/mcp-asking.ts'
import { eventually } from '../../kit/eventually.ts'
import {
  ACCOUNT_HEADER,
  type InteractiveServer,
  startInteractiveServer,
} from '../../kit/mcp/interactive-server.ts'
import { ROOT } from '../../kit/repository.ts'
import { type Browsing, faultsOfState, startBrowsing } from './console-browser.ts'

const RESOURCE = 'https://api.example.com'
const PAYMENTS = `${RESOURCE}/payments`
const SCOPES = ['read', 'audit:read', 'agents', 'approve'].map((one) => `edgewarden:${one}`)
const CLIENT = 'edgewarden-console'
/** Text that would read from the right, if a page let it. */
const HIDDEN = 'alice\u202e\u200b '

/** Cookies of a person who has signed in: the gate bounds how often people sign in within a minute. */
let session: Awaited<ReturnType<BrowserContext['storageState']>>
/** People sign in at an issuer of their own; olive has no scope, and owns agents. */
let people: InteractiveServer
let browsing: Browsing
beforeAll(async () => {
  people = await startInteractiveServer({
    resources: [RESOURCE],
    scopes: SCOPES,
    redirectUri: 'http://localhost/person/callback/people',
    lifetimes: { [CLIENT]: 300 },
    scopeless: ['olive'],
  })
  browsing = await startBrowsing(
    {},
    {
      others: {
        people: {
          ...{ issuer: people.url, allow_insecure_http: true, agent_prefix: 'people/' },
          ...{ admin: 'all', rules: false, person: { client_id: CLIENT, scopes: SCOPES } },
        },
      },
      routes: [
        { match: 'POST /v1/refunds', scopes: [], approval: { headers: ['x-tenant'] } },
        { match: 'POST /v1/owned', scopes: [], approval: { by: 'owners' } },
        {
          match: 'POST /v1/wires',
          scopes: [],
          approval: { shows: ['body.amount', 'body.to.name'] },
        },
        {
          match: 'POST /payments',
          resource: PAYMENTS,
          scopes: [],
          mcp: { tools: { refund: { scopes: [], approval: { shows: ['arguments.to'] } } } },
        },
      ],
    },
  )
})
beforeEach(() => browsing.setting.origin.clear())
afterAll(async () => {
  await browsing.close()
  await people.close()
})

interface Waiting {
  readonly code: string
  readonly approval: { readonly id: string; readonly reason?: string }
}

/** Sends a call that needs an approval. */
const send = (agent: string, path = '/v1/refunds', claims: object = {}, body = '{"amount":5}') =>
  browsing.send(agent, path, claims, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-tenant': 'one' },
    body,
  })
const refused = async (answer: Response) => (await answer.json()) as Waiting
/** The link of an alert: the screen of a call that waits. */
const linkOf = async (...given: Parameters<typeof send>) => {
  const { code, approval } = await refused(await send(...given))
  expect(code).toBe('approval_required')
  return `${browsing.url}/approvals/${approval.id}`
}

/** A browser of a person, who is not signed in. */
const openFor = (account: string, options: object = {}) =>
  browsing.open({ extraHTTPHeaders: { [ACCOUNT_HEADER]: account }, ...options })
const signIn = (page: Page) => page.getByRole('button', { name: 'Sign in at people' }).click()
const enter = async (account: string, to: string, options: object = {}) => {
  const opened = await openFor(account, options)
  await opened.page.goto(to)
  await signIn(opened.page)
  await opened.page.getByRole('heading', { level: 1 }).filter({ hasText: 'Approval' }).waitFor()
  return opened
}
/** Presses a button of the page, and the same one of its dialog. */
const act = async (page: Page, name: string, reason?: string) => {
  await page.getByRole('button', { name }).click()
  const dialog = page.getByRole('dialog')
  if (reason !== undefined) await dialog.getByLabel('Reason').fill(reason)
  await dialog.getByRole('button', { name }).click()
}

it('a link leads through the sign-in to the call, which goes through once by the keyboard alone', async () => {
  const link = await linkOf('keys')
  const { page, context, said } = await openFor('ada')
  await page.goto(link)
  const press = async (name: string) => {
    await page.getByRole('button', { name }).filter({ visible: true }).last().focus()
    await page.keyboard.press('Enter')
  }
  await page.getByRole('button', { name: 'Sign in at people' }).waitFor()
  await press('Sign in at people')
  await page.getByRole('heading', { name: 'Approval: waits' }).waitFor()
  expect(page.url()).toBe(link)
  await press('Approve')
  await page.getByRole('dialog').waitFor()
  expect(browsing.setting.origin.requests).toEqual([])
  await press('Approve')
  await page.getByRole('heading', { name: 'Approval: approved' }).waitFor()
  const told = page.getByText('It goes through once, as soon as the agent sends it again.')
  expect(await told.evaluate((one) => one.matches(':focus'))).toBe(true)
  session = await context.storageState()
  expect((await send('keys')).status).toBe(200)
  expect(browsing.setting.origin.requests).toHaveLength(1)
  await page.reload()
  await page.getByRole('heading', { name: 'Approval: approved and used' }).waitFor()
  expect((await refused(await send('keys'))).code).toBe('approval_required')
  expect(said).toEqual([])
  await context.close()
})

it('a refusal needs a reason, which the agent reads, on a phone', async () => {
  const link = await linkOf('phone')
  const { page, context, said } = await enter('ada', link, {
    viewport: { width: 390, height: 844 },
  })
  await page.getByRole('button', { name: 'Refuse' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Refuse' }).click()
  expect(await dialog.getByLabel('Reason').evaluate((one) => one.matches(':invalid'))).toBe(true)
  await dialog.getByLabel('Reason').fill('not this customer')
  await dialog.getByRole('button', { name: 'Refuse' }).click()
  await page.getByRole('heading', { name: 'Approval: refused' }).waitFor()
  await page.getByRole('status').filter({ hasText: 'not this customer' }).waitFor()
  expect(await refused(await send('phone'))).toMatchObject({
    code: 'approval_refused',
    approval: { reason: 'not this customer' },
  })
  expect(said).toEqual([])
  await context.close()
})

it('a person allows calls like one, sees how many went through, and ends it', async () => {
  const link = await linkOf('weekly')
  const { page, context, said } = await enter('ada', link)
  await page.getByRole('button', { name: 'Allow calls like it' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('with the same address and any body').waitFor()
  await dialog.getByLabel('Calls').fill('3')
  await dialog.getByLabel('Time').selectOption('8 hours')
  await dialog.getByRole('button', { name: 'Allow calls like it' }).click()
  expect(await dialog.getByLabel('Reason').evaluate((one) => one.matches(':invalid'))).toBe(true)
  await dialog.getByLabel('Reason').fill('the weekly run')
  await dialog.getByRole('button', { name: 'Allow calls like it' }).click()
  await page.getByRole('heading', { name: 'Approval: approved' }).waitFor()
  await page.getByRole('status').filter({ hasText: '0 of 3 uses' }).waitFor()
  expect((await send('weekly')).status).toBe(200)
  expect((await send('weekly', '/v1/refunds', {}, '{"amount":6}')).status).toBe(200)
  await page.getByRole('link', { name: 'All approvals' }).click()
  await page.getByRole('link', { name: 'Standing' }).click()
  const row = page.getByRole('row').filter({ hasText: 'weekly' })
  await row.filter({ hasText: '2 of 3 uses' }).filter({ hasText: 'the weekly run' }).waitFor()
  expect(await faultsOfState(page, 'standing approvals')).toEqual([])
  await act(page, 'End')
  await page.getByText('No call is approved beforehand.').waitFor()
  expect((await refused(await send('weekly'))).code).toBe('approval_required')
  expect(said).toEqual([])
  await context.close()
})

it('the screen shows who asks for what exactly, and what it does not show', async () => {
  const { origin, issuer } = browsing.setting
  origin.on('/payments', (_req, res) => {
    res.writeHead(200, { 'content-type': 'application/json' }).end(result({ content: [] }))
  })
  const claims = { sub: 'rob', act: { sub: 'planner' }, workflow_id: 'run-7' }
  const refund = call('tools/call', {
    name: 'refund',
    arguments: { to: HIDDEN, amount: 5, note: 'x'.repeat(3_000) },
  })
  const ask = async () => send('exact', '/payments', { ...claims, aud: PAYMENTS }, refund)
  expect((await ask()).status).toBe(200)
  const { page, context, said } = await enter('ada', `${browsing.url}/approvals`)
  await page.getByRole('row').filter({ hasText: 'acme/exact' }).getByRole('link').click()
  await page.getByRole('heading', { name: 'Who asks' }).waitFor()
  const who = page.getByRole('region', { name: 'Who' })
  for (const one of ['acme/exact', issuer.issuer, 'rob', 'planner', 'run-7']) {
    expect(await who.textContent()).toContain(one)
  }
  const what = await page.getByRole('region', { name: 'What' }).textContent()
  for (const one of ['POST', '/payments', 'refund', '"alice\\u202e\\u200b "', '10 characters']) {
    expect(what).toContain(one)
  }
  expect(what).not.toMatch(/[\u202e\u200b]/)
  const hidden = await page.getByRole('region', { name: 'Not shown' }).textContent()
  expect(hidden).toMatch(/amount.*note/s)
  await page
    .getByText('Nothing is stored of it in the last hour.')
    .or(page.getByText(/ of them refused/))
    .waitFor()
  await page.getByText('None of those that can be read.').waitFor()
  if (process.env.EDGEWARDEN_PICTURES !== undefined) {
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.screenshot({ path: join(ROOT, 'docs/images/console/approval-light.png') })
  }
  expect(await faultsOfState(page, 'approval')).toEqual([])
  await act(page, 'Approve')
  await page.getByRole('heading', { name: 'Approval: approved' }).waitFor()
  expect(await faultsOfState(page, 'approved')).toEqual([])
  await page.goto(`${browsing.url}/approvals?state=decided`)
  await page.getByRole('row').filter({ hasText: 'acme/exact' }).waitFor()
  expect(await faultsOfState(page, 'decided')).toEqual([])
  expect(said).toEqual([])
  await context.close()
})

describe('a rule whose `shows` names members of a body', () => {
  /** A body with a name that a page could misshow. */
  const wireOf = (amount: number, note = 'x') =>
    JSON.stringify({ amount, to: { name: HIDDEN, iban: 'DE89' }, note })
  const wire = (agent: string, body: string) => send(agent, '/v1/wires', {}, body)

  let opened: Awaited<ReturnType<typeof openFor>>
  beforeAll(async () => {
    opened = await openFor('ada', { storageState: session })
  })
  afterAll(() => opened.context.close())

  it('the screen shows their values, and the names of the others', async () => {
    const { page, said } = opened
    await page.goto(await linkOf('wire', '/v1/wires', {}, wireOf(5)))
    const what = page.getByRole('region', { name: 'What' })
    const shownOf = (name: string) =>
      what.locator('dt', { hasText: name }).locator('xpath=following-sibling::dd[1]').textContent()
    expect(await shownOf('body.amount')).toBe('5 1 character')
    expect(await shownOf('body.to.name')).toContain('"alice\\u202e\\u200b " 10 characters')
    const text = await page.getByRole('region', { name: 'Not shown' }).textContent()
    expect(text).toMatch(/are these members of the body: to\.iban.*, note/)
    expect(text).not.toContain('bytes')
    expect(await page.textContent('main')).not.toMatch(/DE89|[\u202e\u200b]/)
    expect(await faultsOfState(page, 'approval-of-a-body')).toEqual([])
    await act(page, 'Approve')
    await page.getByRole('heading', { name: 'Approval: approved' }).waitFor()
    expect((await refused(await wire('wire', wireOf(5, 'y')))).code).toBe('approval_required')
    expect((await wire('wire', wireOf(5))).status).toBe(200)
    expect(said).toEqual([])
  })

  it('a person allows bodies with the same values, and the list leads to what they are', async () => {
    const { page, said } = opened
    await page.goto(await linkOf('wires', '/v1/wires', {}, wireOf(5)))
    await page.getByRole('button', { name: 'Allow calls like it' }).click()
    const dialog = page.getByRole('dialog')
    await dialog
      .getByText('with the same address and the same body.amount, body.to.name. Other members')
      .waitFor()
    await dialog.getByLabel('Reason').fill('the weekly run')
    await dialog.getByRole('button', { name: 'Allow calls like it' }).click()
    await page.getByRole('heading', { name: 'Approval: approved' }).waitFor()
    expect((await wire('wires', wireOf(5, 'y'))).status).toBe(200)
    expect((await refused(await wire('wires', wireOf(6)))).code).toBe('approval_required')
    await page.goto(`${browsing.url}/approvals?state=standing`)
    const row = page.getByRole('row').filter({ hasText: 'acme/wires' })
    await row.filter({ hasText: 'POST /v1/wires' }).filter({ hasText: '1 of 10 uses' }).waitFor()
    await row.getByRole('link').click()
    await page.locator('dt', { hasText: 'body.amount' }).waitFor()
    expect(said).toEqual([])
  })
})

it('of two people at once one decides, and the other is told who was first', async () => {
  const link = await linkOf('pair')
  const [ada, bob] = await Promise.all([enter('ada', link), enter('bob', link)])
  await bob.page.getByRole('button', { name: 'Approve' }).click()
  await act(ada.page, 'Refuse', 'it was paid twice')
  await ada.page.getByRole('heading', { name: 'Approval: refused' }).waitFor()
  await bob.page.getByRole('dialog').getByRole('button', { name: 'Approve' }).click()
  await bob.page
    .getByRole('status')
    .filter({ hasText: /refused by ada .*it was paid twice/s })
    .waitFor()
  expect((await refused(await send('pair'))).code).toBe('approval_refused')
  expect(ada.said.concat(bob.said)).toEqual([])
  await Promise.all([ada.context.close(), bob.context.close()])
})

it('an operator who is no person reads why they cannot decide, and signs in at the same screen', async () => {
  const link = await linkOf('coded')
  const { page, context, said } = await openFor('ada')
  await browsing.enter(page, { client_id: 'olga', scope: SCOPES.join(' ') })
  await page.getByRole('link', { name: /wait.? for a person/ }).waitFor()
  await page.goto(link)
  await page.getByText('You cannot decide on this call.').waitFor()
  expect(await page.getByRole('button', { name: 'Approve' }).count()).toBe(0)
  expect(await faultsOfState(page, 'approval-no-person')).toEqual([])
  await signIn(page)
  await page.getByRole('button', { name: 'Approve' }).waitFor()
  expect(page.url()).toBe(link)
  expect(said).toEqual([])
  await context.close()
})

it('nobody decides on a call of an agent that acts for them', async () => {
  const link = await linkOf('own', '/v1/refunds', { sub: 'ada' })
  const { page, context, said } = await enter('ada', link)
  await page.getByText('The agent acts for the person who would decide').waitFor()
  expect(await page.getByRole('button', { name: 'Approve' }).count()).toBe(0)
  expect(await page.getByRole('button', { name: 'Sign in at people' }).count()).toBe(0)
  expect(said).toEqual([])
  await context.close()
})

it('an owner without any scope sees calls of their own agents, and nothing else', async () => {
  await linkOf('not-hers', '/v1/owned')
  const link = await linkOf('hers', '/v1/owned')
  const admin = await enter('ada', link)
  await admin.page.getByText('This person may not decide on the call').waitFor()
  // The registry learns of an agent from a record, which may come after the answer.
  const assign = admin.page.getByRole('button', { name: 'Assign an owner' })
  await eventually(async () => {
    await admin.page.goto(browsing.agentAt('hers'))
    await assign.or(admin.page.getByRole('button', { name: 'Try again' })).waitFor()
    expect(await assign.isVisible()).toBe(true)
  })
  await assign.click()
  const dialog = admin.page.getByRole('dialog')
  await dialog.getByLabel('Owner').fill('olive')
  await dialog.getByLabel('Issuer').selectOption('people')
  await dialog.getByRole('button', { name: 'Assign an owner' }).click()
  await admin.page.getByText(/^Assigned: /).waitFor()
  await admin.context.close()
  const { page, context, said } = await enter('olive', browsing.url)
  const nav = page.getByRole('navigation', { name: 'Screens' }).getByRole('link')
  expect(await nav.allInnerTexts()).toEqual(['Approvals'])
  await page.getByRole('row').filter({ hasText: 'acme/hers' }).waitFor()
  expect(await page.getByRole('row').count()).toBe(2)
  await page.goto(link)
  await act(page, 'Approve')
  await page.getByRole('heading', { name: 'Approval: approved' }).waitFor()
  expect(await faultsOfState(page, 'owner')).toEqual([])
  expect((await send('hers', '/v1/owned')).status).toBe(200)
  expect(said).toEqual([])
  await context.close()
})
