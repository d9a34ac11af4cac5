import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { runHere } from '../command/kit.ts'
import { startBrowser } from '../kit/browser.ts'
import { ROOT } from '../kit/repository.ts'
import { type TerminalLine, terminalPicture } from '../kit/terminal-picture.ts'

const MAIN = fileURLToPath(new URL('../../examples/demo/main.ts', import.meta.url))

/** Starts the demo with a temporary folder of its own; `said` waits for what it prints. */
const start = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edgewarden-walk-'))
  const child = spawn(process.execPath, [MAIN], { env: { ...process.env, TMPDIR: folder } })
  let output = ''
  const exited = once(child, 'exit')
  // From the beginning: what is printed while nobody waits for it is not lost.
  child.stdout.on('data', (chunk) => {
    output += String(chunk)
  })
  const said = async (text: string) => {
    let isOver = false
    while (!output.includes(text)) {
      if (isOver) throw new Error(`the demo ended:\n${output}`)
      isOver = await Promise.race([
        once(child.stdout, 'data').then(() => false),
        exited.then(() => true),
      ])
    }
    return output
  }
  return { child, exited, folder, said }
}

it('stays up after the walk, and leaves nothing running or lying about on Ctrl-C', async () => {
  const { child, exited, folder, said } = await start()
  const output = await said('npx edgewarden list')
  expect(output).not.toContain('✘')
  // The commands for the operator, as they are printed.
  const commands = [...output.matchAll(/^npx edgewarden (.+)$/gm)].map(([, words = '']) => words)
  for (const words of commands) {
    expect(await runHere(words.split(' '))).toMatchObject({ code: 0, stderr: '' })
  }
  expect(commands.map((words) => words.split(' ')[0])).toEqual(['log', 'agents', 'list'])
  const gate = /gate +(http:\S+)/.exec(output)?.[1] ?? ''
  expect((await fetch(`${gate}/.edgewarden/health`)).status).toBe(200)
  child.kill('SIGINT')
  const [code] = await exited
  expect(code).toBe(0)
  await expect(fetch(`${gate}/.edgewarden/health`)).rejects.toThrow()
  expect((await readdir(folder)).filter((name) => name.startsWith('edgewarden'))).toEqual([])
  await rm(folder, { recursive: true, force: true })
})

it('shows a decision in the console within seconds', async () => {
  const [{ child, exited, folder, said }, { browser, close }] = await Promise.all([
    start(),
    startBrowser(),
  ])
  try {
    const output = await said('an agent reads a document')
    const door = /console +(http:\S+)/.exec(output)?.[1] ?? ''
    const page = await browser.newPage()
    await page.goto(door)
    await page.getByRole('button', { name: 'Sign in as maria' }).click()
    await page.getByRole('link', { name: 'Decisions', exact: true }).click()
    await page.getByRole('row').filter({ hasText: 'demo/researcher' }).first().waitFor()
    await said('curl -i')
    await page.getByRole('row').filter({ hasText: 'token_revoked' }).first().waitFor()
    // A second visit gets another code.
    const other = await (await browser.newContext()).newPage()
    await other.goto(door)
    await other.getByRole('button', { name: 'Sign in as maria' }).click()
    await other.getByRole('heading', { name: 'Overview' }).waitFor()
  } finally {
    child.kill('SIGINT')
    await Promise.all([exited, close()])
    await rm(folder, { recursive: true, force: true })
  }
})

it('ends at once when it is interrupted while it starts', async () => {
  const { child, exited, folder, said } = await start()
  const gateStarts = async () => {
    while (!(await readdir(folder)).some((name) => name.startsWith('edgewarden-demo'))) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  await gateStarts()
  child.kill('SIGINT')
  const [code] = await exited
  expect(code).toBe(130)
  await expect(said('never')).rejects.toThrow()
  expect((await readdir(folder)).filter((name) => name.startsWith('edgewarden'))).toEqual([])
  await rm(folder, { recursive: true, force: true })
})

/** What the demo prints, with the time of each line. */
const recorded = async (): Promise<readonly TerminalLine[]> => {
  const lines = [{ text: '$ npm start -- --once', at: 0 }]
  const began = performance.now()
  const child = spawn(process.execPath, [MAIN, '--once'], {
    env: { ...process.env, FORCE_COLOR: '1' },
  })
  for await (const text of createInterface({ input: child.stdout })) {
    lines.push({ text, at: (performance.now() - began) / 1_000 })
  }
  return lines
}

/** A picture without what another run has differently: ports, times, and when lines come. */
const shapeOf = (svg: string): string =>
  svg
    .replaceAll(/:\d+/g, ':0')
    .replaceAll(/\d+\.\d+ ?s\b/g, '0 s')
    .replaceAll(/ ?width="\d+"/g, '')

it('looks as the pictures in the README, which it writes with EDGEWARDEN_PICTURES', async () => {
  const lines = await recorded()
  expect(lines.at(-1)?.text).toBe('Every step was as it should be.')
  for (const theme of ['light', 'dark'] as const) {
    const file = join(ROOT, `docs/images/demo-${theme}.svg`)
    const svg = terminalPicture('The demo in a terminal', lines, theme)
    if (process.env.EDGEWARDEN_PICTURES !== undefined) await writeFile(file, svg)
    expect(shapeOf(svg)).toBe(shapeOf(await readFile(file, 'utf8')))
  }
})
