import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { isSoak } from '../kit/property.ts'
import { ROOT } from '../kit/repository.ts'
import { type Setting, startSetting } from './setting.ts'

const run = promisify(execFile)
const file = (name: string) => join(ROOT, 'examples/monitoring', name)

let directory: string
let setting: Setting
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'edgewarden-pull-'))
  setting = await startSetting({
    durableObjects: WITH_AUDIT,
    issuer: { admin: 'all' },
    gate: { journal: { allowed: 1 } },
  })
})
afterAll(async () => {
  await setting.close()
  await rm(directory, { recursive: true, force: true })
})

/** Runs the script with small pages, without its minute of waiting. */
const pull = async (): Promise<readonly { readonly request_id: string }[]> => {
  const script = await readFile(file('pull.sh'), 'utf8')
  await writeFile(join(directory, 'pull.sh'), script.replace('limit=1000', 'limit=2'))
  await run('sh', ['pull.sh'], {
    cwd: directory,
    env: { ...process.env, GATE: setting.gate.url, LAG: '-1' },
  })
  const text = await readFile(join(directory, 'decisions.ndjson'), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

it.runIf(isSoak())('pull.sh has each record once, over pages and runs', async () => {
  const token = await setting.token({ client_id: 'pulled' })
  const scope = 'edgewarden:audit:read'
  await writeFile(join(directory, 'edgewarden.token'), `${await setting.token({ scope })}\n`)
  const send = async (name: string) => {
    for (let i = 0; i < 5; i++) {
      await setting.ask('/v1/x', { token, headers: { 'x-request-id': `pulled-${name}-${i}` } })
    }
    const reader = await setting.token({ scope })
    await eventually(async () => {
      const answer = await setting.ask(`/.edgewarden/decisions?request_id=pulled-${name}-4`, {
        token: reader,
      })
      expect(((await answer.json()) as { decisions: object[] }).decisions).toHaveLength(1)
    })
  }
  const wanted = (name: string) => [0, 1, 2, 3, 4].map((i) => `pulled-${name}-${i}`)
  const idsOf = async () =>
    (await pull()).map(({ request_id }) => request_id).filter((id) => /^pulled-/.test(id))
  await send('one')
  expect((await idsOf()).sort()).toEqual(wanted('one'))
  const since = Number(await readFile(join(directory, 'since'), 'utf8'))
  await eventually(() => expect(Date.now() / 1000).toBeGreaterThan(since))
  await send('two')
  expect((await idsOf()).sort()).toEqual([...wanted('one'), ...wanted('two')])
})

it('tail.js writes a data point for each line of the journal', async () => {
  await setting.ask('/v1/x', { token: await setting.token() })
  await setting.ask('/v1/x')
  await copyFile(file('tail.js'), join(directory, 'tail.mjs'))
  const { default: worker } = (await import(/* @vite-ignore */ join(directory, 'tail.mjs'))) as {
    default: { tail(events: object[], env: object): void }
  }
  const message = setting.gate.journal().map((line) => JSON.stringify(line))
  const points: { indexes: string[]; blobs: string[] }[] = []
  const DECISIONS = { writeDataPoint: (point: (typeof points)[number]) => points.push(point) }
  const logs = [...message, 'no JSON', '{"event":"other"}'].map((text) => ({ message: [text] }))
  worker.tail([{ logs }], { DECISIONS })
  expect(points.length).toBe(setting.gate.journal().filter((line) => 'v' in line).length)
  expect(points.map(({ blobs: [decision] }) => decision)).toContain('denied')
  expect(points.map(({ blobs }) => blobs[1])).toContain('credential_missing')
})
