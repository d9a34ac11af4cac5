import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sightingOf, tell } from '../../e2e/learned.ts'
import { askGate, outcome } from '../../e2e/setting.ts'
import { type RunningBrowser, startBrowser } from '../../kit/browser.ts'
import { eventually } from '../../kit/eventually.ts'
import type { Gate } from '../../kit/gate.ts'
import type { Members } from '../../kit/signing.ts'
import { faultsOfState, STILL } from './console-browser.ts'
import { type ConsoleSetting, consoleOptions, OPERATOR, startConsole } from './console-setting.ts'

const GATE = { assertion: 'identity', console: { host: 'localhost' } }
const ROUTES = [
  { match: 'GET /v1/documents/{id}', scopes: { any: ['documents:read', 'documents:read:{id}'] } },
  { match: 'POST /v1/documents', scopes: ['documents:write'], possession: 'required' },
  { match: 'GET /v1/weak', scopes: [], mode: 'shadow' },
  { match: 'GET /v1/open', access: 'public' },
] as const
const BEFORE = { gate: GATE, routes: ROUTES }
const CHANGED = ROUTES.map((one, at) => (at === 0 ? { ...one, scopes: ['documents:read'] } : one))

let chromium: RunningBrowser
let setting: ConsoleSetting
let url: string
beforeAll(async () => {
  ;[chromium, setting] = await Promise.all([
    startBrowser(),
    startConsole({
      reaching: true,
      ...BEFORE,
      beside: [{ ...BEFORE, issuer: consoleOptions().issuer ?? {}, routes: CHANGED }],
    }),
  ])
  url = `http://localhost:${setting.gate.port}`
  const seen = (agent: string, granted: readonly string[]) =>
    sightingOf(setting, agent, 'careful', Date.now(), { granted })
  await tell(setting, 'careful', [
    seen('reader', ['documents:read']),
    seen('of-7', ['documents:read:7']),
    seen('<b>bold</b>', ['documents:read']),
  ])
})
afterAll(async () => {
  await chromium.close()
  await setting.close()
})

/** Runs with the page of an operator, to which no error may come. */
const signedIn = async (use: (page: Page) => Promise<void>, scope = OPERATOR) => {
  const context = await chromium.browser.newContext(STILL)
  const page = await context.newPage()
  const said: string[] = []
  page.on('pageerror', (error) => said.push(String(error)))
  await page.goto(`${url}/#code=${await setting.code({ client_id: 'olga', scope })}`)
  await page.getByRole('button', { name: /^Sign in as/ }).click()
  await page.getByRole('link', { name: 'Policy' }).click()
  await page.getByRole('heading', { name: 'Policy' }).waitFor()
  await use(page)
  expect(said).toEqual([])
  await context.close()
}

it('says what each rule needs as a sentence', async () => {
  await signedIn(async (page) => {
    const rules = page.getByRole('region', { name: 'Rules' })
    await rules.getByText('Needs one of documents:read, documents:read:{id}.').waitFor()
    await rules.getByText('Needs documents:write and proof of possession.').waitFor()
    await rules.getByText('Anyone, without a token.').waitFor()
    await rules.getByText('shadow: refusals are forwarded').waitFor()
    await page.getByLabel('Find rules').fill('open')
    expect(await rules.getByText('documents:write').count()).toBe(0)
  })
})

it('says who may call, and what an agent may call', async () => {
  await signedIn(async (page) => {
    const answer = page.getByRole('region', { name: 'Who may call what' }).getByRole('status')
    const who = page.getByRole('form', { name: 'Who may call' })
    const ask = async (method: string, path: string) => {
      await who.getByLabel('Method').selectOption(method)
      await who.getByLabel('Path').fill(path)
      await who.getByRole('button', { name: 'Ask' }).click()
    }
    await ask('GET', '/v1/documents/7')
    await answer.getByRole('link', { name: 'acme/of-7' }).waitFor()
    await answer.getByRole('link', { name: 'acme/reader' }).waitFor()
    await answer.getByText('acme/<b>bold</b>').waitFor()
    expect(await faultsOfState(page, 'who-may')).toEqual([])
    await ask('GET', '/v1/documents/8')
    await answer.getByRole('link', { name: 'acme/reader' }).waitFor()
    expect(await answer.getByRole('link', { name: 'acme/of-7' }).count()).toBe(0)
    await ask('POST', '/v1/documents')
    await answer.getByText('No agent that the gate has seen has what the rule needs.').waitFor()
    await ask('GET', '/v1/open')
    await answer.getByText('Anyone may call it.').waitFor()
    await ask('GET', '/other')
    await answer.getByText('route_unknown').waitFor()
    const what = page.getByRole('form', { name: 'What may it call' })
    const askOf = async (agent: string) => {
      await what.getByLabel('Agent').fill(agent)
      await what.getByRole('button', { name: 'Ask' }).click()
    }
    await askOf('acme/of-7')
    await answer.getByText('only where {id} = 7').waitFor()
    expect(await faultsOfState(page, 'may-call')).toEqual([])
    // What the address asks is asked again.
    await page.reload()
    await answer.getByText('only where {id} = 7').waitFor()
    await askOf('acme/of-8')
    await answer.getByText('agent_unknown').waitFor()
    await askOf('of-7')
    await answer.getByText("must be the issuer's agent_prefix and then an id").waitFor()
  })
})

it('shows deployments, and what each changed', async () => {
  const call = async (gate: Gate) =>
    askGate(gate, '/v1/open', { token: await setting.token({ client_id: 'reader' }) })
  await call(setting.gate)
  await signedIn(async (page) => {
    const history = page.getByRole('region', { name: 'History' })
    const has = (text: string) =>
      eventually(async () => {
        await page.reload()
        await history.getByText(text).waitFor({ timeout: 2_000 })
      })
    await has('the first that the audit has')
    await call(setting.gate.beside[0] as Gate)
    await eventually(async () => {
      await page.reload()
      await history.getByRole('group').waitFor({ timeout: 2_000 })
    })
    await history.getByRole('group').getByText('version').click()
    await history.getByText('`scopes` is now ["documents:read"]').waitFor()
    expect(await faultsOfState(page, 'history')).toEqual([])
  })
  const token = await setting.token({ scope: 'edgewarden:audit:read' })
  const list = await setting.ask('/.edgewarden/decisions?kind=policy&limit=1', { token })
  const { decisions } = (await list.json()) as { decisions: Members[] }
  const id = decisions[0]?.id
  const ask = async (scope: string, of: unknown) => {
    const token = await setting.token({ scope })
    return outcome(await setting.ask(`/.edgewarden/console/changes/${of}`, { token }))
  }
  expect(await ask('edgewarden:audit:read', id)).toMatchObject({ status: 200 })
  expect(await ask('edgewarden:read', id)).toMatchObject({ status: 403, code: 'scope_missing' })
  const unknown = { status: 404, code: 'decision_unknown' }
  expect(await ask('edgewarden:audit:read', crypto.randomUUID())).toMatchObject(unknown)
  expect(await ask('edgewarden:audit:read', 'x')).toMatchObject(unknown)
})
