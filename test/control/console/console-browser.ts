import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { BrowserContext, Page } from 'playwright-core'
import { expect } from 'vitest'
import { learned } from '../../e2e/learned.ts'
import type { SettingOptions } from '../../e2e/setting.ts'
import { startBrowser } from '../../kit/browser.ts'
import { eventually } from '../../kit/eventually.ts'
import type { Members } from '../../kit/signing.ts'
import { startConsole } from './console-setting.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Claims of an agent that the watch of {@link startBrowsing} stops at its first new use. */
export const CAREFUL = { agent_type: 'careful' }
const GRANTED = { ...CAREFUL, scope: 'reports:write files:delete' }

/** A window of a browser, and what its page has written to its console, and errors. */
export interface Opened {
  readonly context: BrowserContext
  readonly page: Page
  readonly said: string[]
}

export type Browsing = Awaited<ReturnType<typeof startBrowsing>>

/**
 * Starts Chromium, and a gate whose console is at localhost, with a rule of each kind and a watch. `issuer` is laid over
 * the issuer's table; further `routes` and `others`, issuers by name, are added.
 */
export async function startBrowsing(
  issuer: Members = {},
  { routes = [], others = {} }: Pick<SettingOptions, 'routes' | 'others'> = {},
) {
  const [chromium, setting] = await Promise.all([
    startBrowser(),
    startConsole({
      reaching: true,
      issuer: { admin: 'all', agent_prefix: 'acme/', ...issuer },
      gate: { assertion: 'identity', console: { host: 'localhost' } },
      others,
      routes: [
        ...routes,
        { match: 'GET /v1/weak', scopes: ['reports:write'] },
        { match: 'GET /v1/documents/{id}', scopes: [] },
        { match: 'GET,POST /v1/stream', scopes: [] },
        { match: 'GET /v1/runs/{run}', scopes: [], workflow: 'path:run' },
        {
          match: 'POST /mcp',
          resource: 'https://api.example.com/mcp',
          scopes: [],
          mcp: { tools: { allowed: [], '<*': [] } },
        },
      ],
      more: {
        AUDIT: { path_values: ['id'], claims: ['department'] },
        WATCH: { careful: { agent_types: ['careful'], action: 'quarantine', at_most: 100 } },
      },
    }),
  ])
  const url = `http://localhost:${setting.gate.port}`
  const open = async (options: object = {}): Promise<Opened> => {
    const context = await chromium.browser.newContext({
      viewport: { width: 1024, height: 640 },
      ...STILL,
      ...options,
    })
    const page = await context.newPage()
    const said: string[] = []
    page.on('console', (message) => {
      // Chromium writes each refusal there, as that nobody is signed in.
      const isRefusal = message.text().startsWith('Failed to load resource')
      if (message.type() === 'error' && !isRefusal) said.push(message.text())
    })
    page.on('pageerror', (error) => said.push(String(error)))
    page.on('dialog', (dialog) => {
      said.push(`dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
    return { context, page, said }
  }
  /** A link as `edgewarden console` prints it. */
  const linkOf = async (claims: Members = {}) => `${url}/#code=${await setting.code(claims)}`
  const enter = async (page: Page, claims: Members = { client_id: 'olga' }) => {
    await page.goto(await linkOf(claims))
    await page.getByRole('button', { name: /^Sign in as/ }).click()
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
  }
  const send = async (agent: string, path: string, claims: object = {}, init: RequestInit = {}) =>
    setting.ask(path, {
      ...init,
      token: await setting.token({ client_id: agent, ...claims }),
      headers: {
        'x-request-id': `req-${crypto.randomUUID()}`,
        ...(init.headers as Record<string, string>),
      },
    })
  /** Lets an agent do what it never did, and waits until it is stopped for that. */
  const stray = async (agent: string) => {
    await learned(setting, agent, 'careful', { rule: 'GET /v1/documents/{id}' })
    expect((await send(agent, '/v1/documents/1', CAREFUL)).status).toBe(200)
    expect((await send(agent, '/v1/weak', GRANTED)).status).toBe(200)
    await eventually(async () => {
      expect((await send(agent, '/v1/documents/1', CAREFUL)).status).toBe(401)
    })
  }
  return {
    setting,
    url,
    open,
    linkOf,
    enter,
    send,
    stray,
    agentAt: (agent: string) =>
      `${url}/agents?${new URLSearchParams({ issuer: setting.issuer.issuer, agent })}`,
    close: async () => {
      await chromium.close()
      await setting.close()
    },
  }
}

/** Goes to the list of decisions. */
export async function toDecisions(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Decisions', exact: true }).click()
  await page.getByRole('heading', { name: 'Decisions' }).waitFor()
}

/** A context in which colours change at once: half way of a transition axe would find colours of neither state. */
export const STILL = { reducedMotion: 'reduce' } as const

/** What axe finds in a page of a context that is `STILL`, and `wide` where the page is wider than its window. */
export async function faultsOf(page: Page): Promise<readonly string[]> {
  await page.evaluate(AXE)
  return page.evaluate<string[]>(`axe.run().then(({ violations }) => [
    ...violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')),
    ...(document.documentElement.scrollWidth > document.documentElement.clientWidth ? ['wide'] : []),
  ])`)
}

/** The same in both widths and both colours, each fault with the name of the state; LOOK is a folder for pictures of them. */
export async function faultsOfState(page: Page, name: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 800 })
      await page.emulateMedia({ colorScheme })
      const state = `${name}-${width}-${colorScheme}`
      found.push(...(await faultsOf(page)).map((one) => `${state}: ${one}`))
      const { LOOK } = process.env
      if (LOOK) await page.screenshot({ path: `${LOOK}/${state}.png`, fullPage: true })
    }
  }
  return found
}
