import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('../../examples/demo/main.ts', import.meta.url))

/** Starts the demo with a temporary folder of its own; `said` waits for what it prints. */
const start = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edgewarden-walk-'))
  const child = spawn(process.execPath, [MAIN], { env: { ...process.env, TMPDIR: folder } })
  let output = ''
  const exited = once(child, 'exit')
  const said = async (text: string) => {
    while (!output.includes(text)) {
      const [chunk] = await Promise.race([once(child.stdout, 'data'), exited.then(() => [null])])
      if (chunk === null) throw new Error(`the demo ended:\n${output}`)
      output += String(chunk)
    }
    return output
  }
  return { child, exited, folder, said }
}

it('stays up after the walk, and leaves nothing running or lying about on Ctrl-C', async () => {
  const { child, exited, folder, said } = await start()
  const output = await said('curl -i')
  expect(output).not.toContain('✘')
  const gate = /gate +(http:\S+)/.exec(output)?.[1] ?? ''
  expect((await fetch(`${gate}/.edgewarden/health`)).status).toBe(200)
  child.kill('SIGINT')
  const [code] = await exited
  expect(code).toBe(0)
  await expect(fetch(`${gate}/.edgewarden/health`)).rejects.toThrow()
  expect((await readdir(folder)).filter((name) => name.startsWith('edgewarden'))).toEqual([])
  await rm(folder, { recursive: true, force: true })
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
