import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Locator } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually } from '../../kit/eventually.ts'
import { ROOT } from '../../kit/repository.ts'
import { type Browsing, startBrowsing } from './console-browser.ts'

/**
 * The questions of the person on call, each answered in the console from where the answer before was seen. The page
 * that tells the clicks of each is held to those counted here.
 */

let browsing: Browsing
const took: (readonly [question: string, clicks: number, ms: number])[] = []
beforeAll(async () => {
  browsing = await startBrowsing()
  expect([await call('documents/1'), await call('weak'), await helped()]).toEqual([200, 403, 200])
  const token = await browsing.setting.token({ client_id: 'other', scope: 'edgewarden:agents' })
  const { issuer } = browsing.setting.issuer
  const entry = `/.edgewarden/agents/entry?${new URLSearchParams({ issuer, agent: 'agent-7' })}`
  await eventually(async () =>
    expect(await (await browsing.setting.ask(entry, { token })).json()).toMatchObject({
      agent: { seen: { children: [{ agent: 'helper' }] } },
    }),
  )
})
afterAll(async () => {
  for (const [question, clicks, ms] of took) {
    console.log(`${(ms / 1_000).toFixed(1)} s  ${clicks} clicks  ${question}`)
  }
  await browsing.close()
})

/** A request of the agent for alice. */
const call = async (path: string) => {
  const claims = { sub: 'alice', act: { sub: 'agent-7' } }
  return (await browsing.send('agent-7', `/v1/${path}`, claims)).status
}
/** A request of another agent that acts for it. */
const helped = async () => {
  const act = { sub: 'helper', act: { sub: 'agent-7' } }
  return (await browsing.send('helper', '/v1/documents/1', { sub: 'alice', act })).status
}

/** Clicks, or what is typed and sent, in this order; then waits for all of an answer. */
const ask = async (
  question: string,
  clicks: readonly (Locator | readonly [field: Locator, text: string])[],
  answers: readonly Locator[],
) => {
  const began = performance.now()
  for (const one of clicks) {
    if (!('length' in one)) await one.click()
    else {
      await one[0].fill(one[1])
      await one[0].press('Enter')
    }
  }
  for (const answer of answers) await answer.first().waitFor()
  took.push([question, clicks.length, performance.now() - began])
}

/** The questions of the page, and how many clicks it says that each takes. */
const told = () => {
  const page = readFileSync(join(ROOT, 'docs/runbooks/agent-misbehaves.md'), 'utf8')
  const rows = [...page.matchAll(/^\| (?!question|---)([^|]+) \| [^|]+ \| (\d+) \|$/gm)]
  return rows.map(([, question, clicks]) => [question, Number(clicks)])
}

it('are answered in the console, each by as many clicks as its page says', async () => {
  const { context, page, said } = await browsing.open()
  await browsing.enter(page)
  const [link, button] = (['link', 'button'] as const).map(
    (role) => (name: string) => page.getByRole(role, { name, exact: true }),
  ) as [(name: string) => Locator, (name: string) => Locator]
  const row = (text: RegExp) => page.getByRole('row').filter({ hasText: text })
  const confirmed = (name: string) => [
    button(name),
    page.getByRole('dialog').getByRole('button', { name }),
  ]
  const search = page.getByRole('searchbox', { name: /^Search: / })

  await ask(
    'What did it do, and for whom?',
    [[search, 'acme/agent-7'], link('All decisions of this agent')],
    [
      row(/acme\/agent-7 for alice.*GET \/v1\/documents\/\{id\} id=1.*allowed/),
      row(/acme\/agent-7 for alice.*GET \/v1\/weak.*scope_missing/),
    ],
  )
  await ask(
    'Why was it refused?',
    [row(/scope_missing/).getByRole('link')],
    [
      page.getByRole('heading', { name: 'Refused acme/agent-7 may not call GET /v1/weak' }),
      page.getByText('What to do: '),
      page.getByRole('region', { name: 'Wanted' }).getByText('reports:write'),
    ],
  )
  await ask(
    'What else acts for it?',
    [link('This agent in the registry')],
    [page.getByRole('list', { name: 'Act for it' }).getByRole('link', { name: 'acme/helper' })],
  )
  await ask('Stop it.', confirmed('Suspend'), [page.getByText(/^Suspended: /)])
  expect([await call('documents/1'), await helped()]).toEqual([403, 403])
  await ask(
    'Is it stopped?',
    [],
    [
      page.getByRole('heading', { name: 'acme/agent-7: suspended' }),
      page.getByText('suspended: the gate refuses each of its requests'),
    ],
  )
  await ask('Who stopped it?', [], [row(/olga.*suspended it/)])
  await ask('Undo it.', confirmed('Resume'), [page.getByText(/^Resumed: /)])
  expect([await call('documents/1'), await helped()]).toEqual([200, 200])
  await ask('Stop it for good.', confirmed('Revoke this agent'), [page.getByText(/^Revoked: /)])
  expect(await call('documents/1')).toBe(401)
  await ask('Undo that.', confirmed('Lift'), [page.getByText(/^Lifted: /)])
  expect(await call('documents/1')).toBe(200)

  expect(told()).toEqual(took.map(([question, clicks]) => [question, clicks]))
  expect(said).toEqual([])
  await context.close()
}, 180_000)
