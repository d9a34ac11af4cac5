import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { askGate } from '../../e2e/setting.ts'
import { eventually } from '../../kit/eventually.ts'
import type { Gate } from '../../kit/gate.ts'
import { createIssuer, type Issuer } from '../../kit/issuer.ts'
import { type Browsing, faultsOfState, startBrowsing } from './console-browser.ts'
import { consoleOptions, OPERATOR } from './console-setting.ts'

let browsing: Browsing
beforeAll(async () => {
  browsing = await startBrowsing()
})
afterAll(() => browsing.close())

const looked = async (page: Page, name: string) => {
  expect(await faultsOfState(page, `overview-${name}`)).toEqual([])
  await page.setViewportSize({ width: 1280, height: 800 })
}

const link = (page: Page, name: RegExp | string) => page.getByRole('link', { name }).first()

it('says that the gate is well, what waits, why requests were refused, and leads to each list', async () => {
  const { context, page, said } = await browsing.open()
  await browsing.enter(page)
  await page.getByText('The gate is well').waitFor()
  await page.getByText('No alert is open').waitFor()
  await page.getByText('No request came in this time.').waitFor()
  await page.getByText('What was checked').click()
  await page.getByText('revocations: fine').waitFor()
  await page.getByText('the last five minutes: no problem').waitFor()
  await looked(page, 'quiet')

  await browsing.stray('mailer')
  for (const path of ['/v1/weak', '/v1/weak', '/v1/documents/1'])
    await browsing.send('reader', path)
  expect((await browsing.send('reader', '/nowhere')).status).toBe(404)
  const counted = (cause: string, count: string) =>
    page.getByRole('row').filter({ hasText: cause }).getByRole('cell', { name: count, exact: true })
  await eventually(async () => {
    await page.reload()
    await counted('scope_missing', '2').waitFor({ timeout: 2_000 })
    await counted('route_unknown', '1').waitFor({ timeout: 2_000 })
    await link(page, '2 open alerts').waitFor({ timeout: 2_000 })
    await link(page, '2 agents without an owner').waitFor({ timeout: 2_000 })
  })
  await page.getByText('about acme/mailer').waitFor()
  await looked(page, 'busy')

  await link(page, 'The token lacks a scope this route needs').click()
  const filtered = '/decisions?range=1h&decision=denied&code=scope_missing'
  expect(page.url()).toBe(browsing.url + filtered)
  await page.getByRole('row').filter({ hasText: 'acme/reader' }).first().waitFor()
  await page.goBack()
  await page.getByRole('combobox', { name: 'Time' }).selectOption('last day')
  await page.getByText('by hour').waitFor()
  expect(page.url()).toBe(`${browsing.url}/?range=1d`)
  await link(page, 'GET /v1/documents/{id}').click()
  expect(page.url()).toBe(
    `${browsing.url}/decisions?${new URLSearchParams({ range: '1d', rule: 'GET /v1/documents/{id}' })}`,
  )
  await page.getByRole('row').filter({ hasText: 'acme/mailer' }).first().waitFor()
  await page.goBack()
  await link(page, '2 agents without an owner').click()
  await page.getByRole('cell', { name: 'acme/reader' }).waitFor()
  await page.goBack()
  await link(page, '2 open alerts').click()
  await page.getByText('a scope for the first time').first().waitFor()
  expect(said).toEqual([])
  await context.close()
})

it('shows an operator what the scopes allow, and says which are missing', async () => {
  const { context, page } = await browsing.open()
  await browsing.enter(page, { client_id: 'viewer', scope: 'edgewarden:read' })
  await page.getByText('Alerts and agents need the scope edgewarden:agents.').waitFor()
  await page.getByText('Decisions need the scope edgewarden:audit:read.').waitFor()
  await page.getByText('What was checked').click()
  await page.getByText('origins and the audit: not checked.').waitFor()
  await context.close()
})

/** A gate that has of an issuer's keys only what is in KV, as if fetched so many minutes ago, and knows their state. */
const withOldKeys = async (
  minutes: number,
  state: string,
  use: (gate: Gate, old: Issuer) => Promise<void>,
) => {
  const { setting } = browsing
  const old = await createIssuer()
  const options = {
    ...consoleOptions(),
    gate: { assertion: 'identity', console: { host: 'localhost' } },
    more: {
      ISSUERS_OLD: {
        old: {
          issuer: old.issuer,
          jwks_uri: old.jwksUri,
          allow_insecure_http: true,
          agent_prefix: 'old/',
        },
      },
    },
  }
  const first = await setting.another(options)
  const known = async (gate: Gate) =>
    (await askGate(gate, '/v1/documents/1', { token: await old.mint() })).status
  const names = async () => new Set((await first.kv.list()).map(({ name }) => name))
  const before = await names()
  expect(await known(first)).toBe(200)
  const entry = await eventually(async () => {
    const added = [...(await names())].find((one) => !before.has(one))
    expect(added).toBeDefined()
    return added ?? ''
  })
  const record = JSON.parse((await first.kv.get(entry)) ?? '')
  await first.kv.put(entry, JSON.stringify({ ...record, fetchedAt: Date.now() - minutes * 60_000 }))
  await old.fail(503)
  const cold = await setting.another({ ...options, kv: first })
  await known(cold)
  const token = await setting.token({ client_id: 'olga', scope: OPERATOR })
  await eventually(async () => {
    const answer = await askGate(cold, '/.edgewarden/ready', { token })
    const { issuers } = (await answer.json()) as { issuers: readonly unknown[] }
    expect(issuers).toContainEqual(expect.objectContaining({ issuer: old.issuer, state }))
  })
  await use(cold, old)
  await Promise.all([cold.stop(), first.stop()])
  await old.close()
}

const enterAt = async (gate: Gate, page: Page) => {
  const token = await browsing.setting.token({ client_id: 'olga', scope: OPERATOR })
  const answer = await askGate(gate, '/.edgewarden/console', { method: 'POST', token })
  const { url } = (await answer.json()) as { url: string }
  await page.goto(`http://localhost:${gate.port}/${new URL(url).hash}`)
  await page.getByRole('button', { name: /^Sign in as/ }).click()
}

it.each([
  ['stale', 11, 'The gate works, and some keys need attention', 'its keys are stale: 11 minutes'],
  ['lost', 1_500, 'The gate is not well', 'its keys cannot be fetched'],
])('shows keys that are %s as such, and what to do', async (name, minutes, says, fault) => {
  await withOldKeys(minutes, name === 'stale' ? 'stale' : 'failed', async (gate, old) => {
    const { context, page } = await browsing.open()
    await enterAt(gate, page)
    await page.getByText(says).waitFor()
    const item = page.getByRole('listitem').filter({ hasText: fault })
    await item.getByText(`edgewarden doctor ${old.issuer}`).waitFor()
    await page.getByText('What was checked').click()
    const looks = (state: string) =>
      page
        .locator(`details li.${state}`)
        .filter({ hasText: `${old.issuer}: ` })
        .count()
    expect(await looks('allowed')).toBe(0)
    expect(await looks(name === 'stale' ? 'warn' : 'denied')).toBe(1)
    await looked(page, name)
    await item.getByRole('link', { name: 'its decisions' }).click()
    await page.getByRole('row').filter({ hasText: 'GET /v1/*' }).first().waitFor()
    await context.close()
  })
})
