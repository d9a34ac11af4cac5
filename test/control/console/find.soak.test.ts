import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { askGate } from '../../e2e/setting.ts'
import { eventually } from '../../kit/eventually.ts'
import { createIssuer } from '../../kit/issuer.ts'
import { type Browsing, faultsOfState, startBrowsing } from './console-browser.ts'
import { consoleOptions, OPERATOR } from './console-setting.ts'

let browsing: Browsing
beforeAll(async () => {
  browsing = await startBrowsing()
  const claims = { sub: 'alice', jti: 'token-of-finder' }
  const sent = [
    await browsing.send('finder', '/v1/documents/1', claims),
    await browsing.send('finder', '/v1/weak', claims),
    await browsing.send('both', '/v1/documents/1', { sub: 'both' }),
  ]
  expect(sent.map(({ status }) => status)).toEqual([200, 403, 200])
  const token = await browsing.setting.token({ scope: OPERATOR })
  await eventually(async () => {
    const found = await browsing.setting.ask('/.edgewarden/agents', { token })
    const { agents } = (await found.json()) as { agents: { agent: string }[] }
    expect(agents.map(({ agent }) => agent).sort()).toEqual(['both', 'finder'])
  })
})
afterAll(() => browsing.close())

const search = async (page: Page, wanted: string) => {
  const field = page.getByRole('searchbox', { name: /^Search: / })
  await field.fill(wanted)
  await field.press('Enter')
}

const latestOf = async (agent: string) => {
  const token = await browsing.setting.token({ scope: OPERATOR })
  const path = `/.edgewarden/decisions?limit=1&agent=${agent}`
  const found = await (await browsing.setting.ask(path, { token })).json()
  return (found as { decisions: { id: string; request_id: string }[] }).decisions[0]
}

it('goes where a text means one thing', async () => {
  const { context, page, said } = await browsing.open()
  await browsing.enter(page)
  const { id = '', request_id = '' } = (await latestOf('finder')) ?? {}
  for (const one of [id, request_id]) {
    await search(page, one)
    await page
      .getByRole('heading', { name: 'Refused acme/finder may not call GET /v1/weak' })
      .waitFor()
    expect(page.url()).toBe(`${browsing.url}/decisions/${id}`)
    await page.goto(browsing.url)
  }
  for (const one of ['acme/finder', ' finder ']) {
    await search(page, one)
    await page.getByRole('heading', { name: 'acme/finder: discovered' }).waitFor()
    await page.goto(browsing.url)
  }
  for (const [one, filter, rows] of [
    ['alice', { range: '1h', subject: 'alice' }, 2],
    ['token-of-finder', { range: '1h', jti: 'token-of-finder' }, 2],
    ['GET /v1/documents/{id}', { range: '1d', rule: 'GET /v1/documents/{id}' }, 2],
    ['scope_missing', { range: '1d', code: 'scope_missing' }, 1],
  ] as const) {
    await search(page, one)
    await page.getByRole('row').nth(rows).waitFor()
    expect(page.url()).toBe(`${browsing.url}/decisions?${new URLSearchParams(filter)}`)
    expect([one, await page.getByRole('row').count()]).toEqual([one, rows + 1])
  }
  // The search is no step of its own on the way back.
  await page.goBack()
  expect(page.url()).toContain('rule=')
  // An operator is only in records of the gate's own calls.
  await search(page, 'acme/olga')
  await page.getByRole('row').filter({ hasText: 'acme/olga' }).first().waitFor()
  expect(page.url()).toContain('own=true')
  expect(said).toEqual([])
  await context.close()
})

it('asks where a text means several things', async () => {
  const { context, page } = await browsing.open()
  await browsing.enter(page)
  await search(page, 'both')
  await page.getByText('Several things are named').waitFor()
  const links = page.getByRole('main').getByRole('link')
  expect(await links.allTextContents()).toEqual([
    `Agent acme/both of ${browsing.setting.issuer.issuer}`,
    'Subject both',
  ])
  expect(await faultsOfState(page, 'search-several')).toEqual([])
  await links.last().press('Enter')
  await page.getByRole('heading', { name: 'Decisions' }).waitFor()
  await context.close()
})

it('says that nothing has a name, which are near, and what was not searched', async () => {
  const { context, page, said } = await browsing.open()
  await browsing.enter(page)
  for (const [wanted, near] of [
    ['acme/findr', 'Agent acme/finder of '],
    ['scope_mising', 'Code scope_missing'],
    ['/v1/document', 'Rule GET /v1/documents/{id}'],
  ] as const) {
    await search(page, wanted)
    await page.getByText(`Nothing is named ${wanted}.`).waitFor()
    await page.getByRole('link', { name: near }).waitFor()
  }
  expect(await faultsOfState(page, 'search-nothing')).toEqual([])
  const strange = '<img src=x onerror=alert(1)>\u202e'
  await search(page, strange)
  await page.getByText('Nothing is named <img src=x onerror=alert(1)>\\u202e.').waitFor()
  expect(await page.locator('main img').count()).toBe(0)
  await search(page, 'x'.repeat(1_000))
  await page.getByText('Nothing is named xxx').waitFor()
  await search(page, 'req-of-later')
  await page.getByRole('link', { name: 'wait until it is stored' }).click()
  await browsing.setting.ask('/nowhere', { headers: { 'x-request-id': 'req-of-later' } })
  await page.getByRole('heading', { name: 'Refused no token' }).waitFor()

  await page.goto(`${browsing.url}/find`)
  await page.getByText('Enter a request id, an agent').waitFor()
  await context.setOffline(true)
  await search(page, 'alice')
  await page.getByRole('alert').getByText('The gate cannot be reached').waitFor()
  expect(await page.getByText('Nothing is named').count()).toBe(0)
  await context.setOffline(false)
  expect(said).toEqual([])
  await context.close()

  const viewer = await browsing.open()
  await browsing.enter(viewer.page, { client_id: 'viewer', scope: 'edgewarden:read' })
  await search(viewer.page, 'alice')
  await viewer.page.getByText('Nothing is named alice.').waitFor()
  await viewer.page.getByText('decisions: that needs the scope edgewarden:audit:read').waitFor()
  await viewer.context.close()
})

it('names the issuers of an id that agents of two issuers have', async () => {
  const beta = await createIssuer()
  const { issuer, jwksUri: jwks_uri } = beta
  const table = { issuer, jwks_uri, allow_insecure_http: true, agent_prefix: 'beta/' }
  const gate = await browsing.setting.another({
    ...consoleOptions(),
    gate: { assertion: 'identity', console: { host: 'localhost' } },
    more: { ISSUERS_BETA: { beta: table } },
  })
  const twin = { client_id: 'twin', sub: 'carol' }
  for (const token of [await browsing.setting.token(twin), await beta.mint(twin)]) {
    expect((await askGate(gate, '/v1/documents/1', { token })).status).toBe(200)
  }
  const token = await browsing.setting.token({ client_id: 'olga', scope: OPERATOR })
  const answer = await askGate(gate, '/.edgewarden/console', { method: 'POST', token })
  const { url } = (await answer.json()) as { url: string }
  const { context, page } = await browsing.open()
  await page.goto(`http://localhost:${gate.port}/${new URL(url).hash}`)
  await page.getByRole('button', { name: /^Sign in as/ }).click()
  const links = page.getByRole('main').getByRole('link')
  await eventually(async () => {
    await search(page, 'twin')
    await page.getByText('Several things are named').waitFor({ timeout: 2_000 })
    expect((await links.allTextContents()).sort()).toEqual([
      `Agent acme/twin of ${browsing.setting.issuer.issuer}`,
      `Agent beta/twin of ${issuer}`,
    ])
  })
  await context.close()
  await gate.stop()
  await beta.close()
})

it('says that the gate lacks a name also on a last page without decisions', async () => {
  const token = await browsing.setting.token({ scope: OPERATOR })
  const query = new URLSearchParams({ rule: 'GET /v1/documents/{id}', limit: '1' })
  const answer = await browsing.setting.ask(`/.edgewarden/decisions?${query}`, { token })
  const { cursor } = (await answer.json()) as { cursor: string }
  const { context, page, said } = await browsing.open()
  await browsing.enter(page)
  const at = (rule: string) => `${browsing.url}/decisions?${new URLSearchParams({ rule, cursor })}`
  await page.goto(at('GET /v1/document/{id}'))
  const failure = page.getByRole('alert')
  await failure.getByText('did you mean GET /v1/documents/{id}?').waitFor()
  expect(await page.getByText('No decision fits the filter').count()).toBe(0)
  // A rule without a decision is no mistake.
  await page.goto(at('GET /v1/runs/{run}'))
  await page.getByText('No decision fits the filter').waitFor()
  expect(await failure.count()).toBe(0)
  expect(said).toEqual([])
  await context.close()
})
