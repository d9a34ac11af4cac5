import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { PARTS, toml } from './kit.ts'

const RULE = '[[vars.ROUTES]]\nmatch = "POST /b"\nscopes = ["b:write"]'
/** A policy, one that lets more pass, and one that lets less pass. */
export const POLICY = toml({ route: `${PARTS.route}\n${RULE}` })
export const WIDER = POLICY.replace('scopes = ["b:write"]', 'scopes = []')
export const NARROWER = POLICY.replace('["b:write"]', '["b:write", "b:more"]')
export const CASES = `[[case]]
name = "a reader reads"
request = "GET /a"
claims = { scope = "a:read" }
expect = { decision = "allowed" }
`

export type Files = Readonly<Record<string, string>>

export const execute = promisify(execFile)

/** Runs git as somebody who may commit. */
export const git = async (at: string, ...args: string[]): Promise<string> => {
  const who = ['-c', 'user.name=t', '-c', 'user.email=t@t.dev']
  return (await execute('git', [...who, ...args], { cwd: at })).stdout.trim()
}

/** One shell starts git four times: a process is started faster from a small one than from that of the tests. */
const BEGIN = `git init -q -b main && git add -A
git -c user.name=t -c user.email=t@t.dev commit -qm first
git switch -qc change`

/** A repository with a policy and its tests on main, and what is changed on a branch. */
export const repository = async (
  directory: string,
  change: Files,
  first: Files = { 'wrangler.toml': POLICY },
): Promise<string> => {
  const at = await mkdtemp(join(directory, 'repository-'))
  const write = async (files: Files) => {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(at, name)), { recursive: true })
      await writeFile(join(at, name), text)
    }
  }
  await write({ ...first, 'tests/policy.test.toml': CASES, '.gitignore': 'node_modules\n' })
  await execute('sh', ['-ec', BEGIN], { cwd: at })
  await write(change)
  return at
}
