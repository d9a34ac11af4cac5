import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { policyOf } from '../../e2e/setting.ts'
import { type RunningBrowser, startBrowser } from '../../kit/browser.ts'
import { eventually } from '../../kit/eventually.ts'
import { ROOT } from '../../kit/repository.ts'
import type { Members } from '../../kit/signing.ts'
import { faultsOf, faultsOfState, STILL, toDecisions } from './console-browser.ts'
import { type ConsoleSetting, consoleOptions, OPERATOR, startConsole } from './console-setting.ts'

const GATE = { assertion: 'identity', console: { host: 'localhost' } }
const ROUTES: readonly Members[] = [
  { match: 'GET /v1/documents/{id}', scopes: ['documents:read'] },
  { match: 'GET /v1/weak', scopes: [] },
]

let chromium: RunningBrowser
let setting: ConsoleSetting
let url: string
beforeAll(async () => {
  ;[chromium, setting] = await Promise.all([
    startBrowser(),
    startConsole({ gate: GATE, routes: ROUTES }),
  ])
  url = `http://localhost:${setting.gate.port}`
})
afterAll(async () => {
  await chromium.close()
  await setting.close()
})

/** Runs with the page of an operator, to which no error and no dialog of a script may come. */
const signedIn = async (agent: string, use: (page: Page) => Promise<void>) => {
  const context = await chromium.browser.newContext(STILL)
  const page = await context.newPage()
  const said: string[] = []
  page.on('pageerror', (error) => said.push(String(error)))
  page.on('dialog', (dialog) => {
    said.push(dialog.message())
    void dialog.dismiss()
  })
  await page.goto(`${url}/#code=${await setting.code({ client_id: agent })}`)
  await page.getByRole('button', { name: /^Sign in as/ }).click()
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  await use(page)
  expect(said).toEqual([])
  await context.close()
}

const agentAt = (agent: string) =>
  `${url}/agents?${new URLSearchParams({ issuer: setting.issuer.issuer, agent })}`

it('a policy that is pasted: who gains and loses, mistakes with their place, and nothing of it stays', async () => {
  const vars = policyOf(
    { ...consoleOptions(), gate: GATE, routes: ROUTES },
    setting.issuer,
    setting.origin,
  )
  const withRoutes = (routes: readonly Members[]) =>
    JSON.stringify({ vars: { ...vars, ROUTES: routes } }, null, 2)
  await signedIn('olga', async (page) => {
    await page.getByRole('link', { name: 'Policy' }).click()
    await page.getByText('What a change would do').click()
    const told = page.getByRole('status', { name: 'What changes' })
    const compare = async (text: string) => {
      await page.getByLabel('wrangler.toml or wrangler.jsonc').fill(text)
      await page.getByRole('button', { name: 'Compare' }).click()
    }
    await compare(withRoutes(ROUTES))
    await told.getByText('Nothing changes.').waitFor()
    const [, weak] = ROUTES as [Members, Members]
    await compare(withRoutes([{ match: 'GET /v1/documents/{id}', access: 'public' }, weak]))
    await told.getByText('Access widens.').waitFor()
    await told.getByRole('heading', { name: 'Wider' }).waitFor()
    for (const [width, colorScheme] of [
      [360, 'dark'],
      [1024, 'light'],
    ] as const) {
      await page.setViewportSize({ width, height: 640 })
      await page.emulateMedia({ colorScheme })
      expect(await faultsOf(page)).toEqual([])
    }
    if (process.env.EDGEWARDEN_PICTURES !== undefined) {
      await page.setViewportSize({ width: 1024, height: 720 })
      const path = join(ROOT, 'docs/images/console/policy-change-light.png')
      await page.screenshot({ path })
    }
    await told.getByText('anyone, without a token, may now call GET /v1/documents/{id}').waitFor()
    await compare(withRoutes([weak]))
    await told.getByText('Access does not widen.').waitFor()
    await told.getByText('may no longer call GET /v1/documents/{id}').waitFor()
    const markup = '<img/src=x/onerror=alert(1)>'
    await compare(withRoutes([...ROUTES, { match: 'GET /v1/more', scopes: [markup] }]))
    await told.getByText('onerror=alert(1)').first().waitFor()
    await compare(`[vars]\n[vars.GATE]\n"<img src=x onerror=alert(1)>\u202e" = 1\n`)
    await told.getByText('console_diff_invalid').waitFor()
    await told.getByText('line 3, column 1:').waitFor()
    await told.getByText('\\u202e').first().waitFor()
    expect(await page.locator('img').count()).toBe(0)
    await compare('[vars.GATE]\nresource = "x"\norigin =\n')
    await told.getByText('line 3, column 9: no valid TOML').waitFor()
    await compare('// a comment\n{ "vars": }')
    await told.getByText('line 2, column 11: no valid JSONC').waitFor()
    await compare('[env.live]\nvras = 1')
    await told.getByText('is required').first().waitFor()
    await page.getByLabel('Environment').fill('live')
    await compare('[env.live.vars.GATE]\nresource = "https://api.example.com"\norigin = "x"')
    await told.getByText('line 3, column 1: GATE.origin').waitFor()
    await compare('[vars]')
    await told.getByText('environment is not in the file').waitFor()
    expect(await told.textContent()).not.toContain('line')
    const kept = 'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href])'
    expect(await page.evaluate<string>(kept)).not.toContain('vars')
  })
})

it('characters that hide, or turn the direction of writing, are shown as escapes', async () => {
  // U+202E turns what follows it: this one looks like acme/agent-exe.doc.
  const agents = ['agent-\u202ecod.exe', 'sum\u200bmarizer', 'a\ufeffb\u2066c\u00adx\u3164y\u00a0z']
  agents.push('sum\u2800marizer', 'sum\u{e0041}m', 'a\ufe0f', 'summarizer ', 'sum  marizer')
  const shown = ['acme/agent-\\u202ecod.exe', 'acme/sum\\u200bmarizer']
  shown.push('acme/sum\\u2800marizer', 'acme/sum\\udb40\\udc41m', 'acme/a\\ufe0f')
  shown.push('acme/summarizer\\u0020', 'acme/sum \\u0020marizer')
  const claims = { act: { sub: 'plan\u2067ner' } }
  for (const agent of agents) {
    const token = await setting.token({ client_id: agent, ...claims })
    expect((await setting.ask('/v1/weak', { token })).status).toBe(200)
  }
  const hidden = /[\p{Cf}\p{DI}\u2800]|(?! )\p{Zs}/u
  await signedIn('otto', async (page) => {
    const text = async () =>
      page.evaluate<string>(
        "document.body.innerText + [...document.querySelectorAll('[aria-label],[title]')].map((one) => one.ariaLabel + one.title)",
      )
    await toDecisions(page)
    for (const name of shown) await page.getByRole('row').filter({ hasText: name }).waitFor()
    expect(await text()).not.toMatch(hidden)
    const row = page.getByRole('row').filter({ hasText: shown[0] ?? '' })
    await row.getByRole('link').click()
    await page
      .getByRole('img', { name: /plan\\u2067ner, then acme\/agent-\\u202ecod\.exe/ })
      .waitFor()
    await page.getByText('The record as it is stored').click()
    expect(await text()).not.toMatch(hidden)
    await page.getByRole('button', { name: 'Revoke this agent' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('agent-\\u202ecod.exe').waitFor()
    expect(await text()).not.toMatch(hidden)
    await page.keyboard.press('Escape')
    await eventually(async () => {
      await page.goto(`${url}/agents?needs=`)
      const link = page.getByRole('link', { name: shown[0] ?? '', exact: true })
      await link.click({ timeout: 2_000 })
    })
    // The address, and what is sent, have the id itself.
    expect(page.url()).toBe(agentAt(agents[0] ?? ''))
    await page.getByRole('heading', { name: `${shown[0]}: discovered` }).waitFor()
    await page.getByRole('link', { name: 'plan\\u2067ner' }).waitFor()
    expect(await text()).not.toMatch(hidden)
    await page.getByRole('button', { name: 'Suspend' }).click()
    await dialog.getByText('Each request of acme/agent-\\u202ecod.exe is refused').waitFor()
    expect(await dialog.locator('bdi').count()).toBeGreaterThan(0)
    expect(await text()).not.toMatch(hidden)
    await dialog.getByRole('button', { name: 'Suspend' }).click()
    await page.getByText(/^Suspended: /).waitFor()
    const token = await setting.token({ client_id: agents[0] ?? '' })
    expect((await setting.ask('/v1/weak', { token })).status).toBe(403)
  })
})

it('an act says who did what to whom, and how the call was answered: no stage, and nothing to revoke', async () => {
  const body = JSON.stringify({
    kind: 'agent',
    issuer: setting.issuer.issuer,
    value: 'culprit',
    reason: 'leaked',
  })
  const made = await setting.ask('/.edgewarden/revocations', {
    method: 'POST',
    token: await setting.token({ scope: OPERATOR, client_id: 'chief', sub: 'maria' }),
    headers: { 'content-type': 'application/json' },
    body,
  })
  expect(made.status).toBe(200)
  const id = made.headers.get('x-request-id')
  const token = await setting.token({ scope: OPERATOR })
  const act = await eventually(async () => {
    const answer = await setting.ask(`/.edgewarden/decisions?request_id=${id}`, { token })
    const { decisions } = (await answer.json()) as { decisions: Members[] }
    expect(decisions).toHaveLength(2)
    return decisions.find(({ kind }) => kind === 'act')
  })
  await signedIn('otto', async (page) => {
    await page.goto(`${url}/decisions/${act?.id}`)
    await page.getByRole('heading', { name: 'acme/chief revoked agent culprit' }).waitFor()
    await page.getByText('Why: leaked').waitFor()
    await page.getByText(/allowed · status 200 · the call · request id/).waitFor()
    expect(await faultsOfState(page, 'act')).toEqual([])
    const who = page.getByRole('region', { name: 'Who', exact: true })
    for (const text of ['acme/chief', 'maria']) await who.getByText(text).first().waitFor()
    const whom = page.getByRole('region', { name: 'To whom' })
    await whom.getByText('leaked').waitFor()
    expect(await whom.getByRole('link', { name: 'culprit' }).getAttribute('href')).toBe(
      agentAt('culprit').slice(url.length),
    )
    expect(await page.getByRole('heading', { name: 'Every stage' }).count()).toBe(0)
    expect(await page.getByRole('button', { name: /Revoke/ }).count()).toBe(0)
    await page.getByRole('link', { name: 'the call', exact: true }).click()
    await page.getByRole('heading', { name: 'Every stage' }).waitFor()
  })
})

it('agents are found by how their id begins', async () => {
  for (const agent of ['needle-1', 'needle-2', 'hay']) {
    await setting.ask('/v1/weak', { token: await setting.token({ client_id: agent }) })
  }
  await signedIn('otto', async (page) => {
    await page.getByRole('link', { name: 'Agents', exact: true }).click()
    const find = async (text: string) => {
      await page.getByLabel('Find agents').fill(text)
      await page.getByLabel('Find agents').press('Enter')
    }
    await find('needle-')
    await eventually(async () => {
      await page.reload()
      await page.getByRole('link', { name: 'acme/needle-1' }).waitFor({ timeout: 2_000 })
      await page.getByRole('link', { name: 'acme/needle-2' }).waitFor({ timeout: 2_000 })
    })
    expect(page.url()).toBe(`${url}/agents?needs=&find=needle-`)
    expect(await page.getByRole('link', { name: 'acme/hay' }).count()).toBe(0)
    await page.getByLabel('status').selectOption('suspended')
    await page.getByText('No agent here.').waitFor()
    expect(new URL(page.url()).searchParams.get('find')).toBe('needle-')
    await find('acme/needle-2')
    await page.getByRole('link', { name: 'acme/needle-2' }).click()
    await page.getByRole('heading', { name: 'acme/needle-2: discovered' }).waitFor()
    await page.goBack()
    expect(await page.getByLabel('Find agents').inputValue()).toBe('acme/needle-2')
    await page.getByRole('link', { name: 'acme/needle-2' }).waitFor()
  })
})
