import { execFile } from 'node:child_process'
import { parse } from 'smol-toml'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { folder, inFolder, runHere } from '../command/kit.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { RESOURCE, type Setting, startSetting } from './setting.ts'

/**
 * The questions of the person on call, each to a real gate by the real command. What a question names is taken from the
 * answers before it, as they are printed.
 */

/** Milliseconds that an answer may take, also on a busy machine. */
const LONGEST_MS = 10_000

const directory = await folder()
inFolder(directory)
let setting: Setting
const took: (readonly [question: string, ms: number])[] = []
beforeAll(async () => {
  const made = await runHere(['keygen', '--operator', '--name', 'maria', '--issuer', 'ops'])
  const { vars } = parse(made.stdout) as { vars: { ISSUERS: object } }
  setting = await startSetting({
    durableObjects: { ...WITH_AUDIT, AGENTS: 'AgentRegistry' },
    issuer: { agent_prefix: 'acme/' },
    routes: [
      { match: 'GET /v1/files/{id}', scopes: ['files:read'] },
      { match: 'DELETE /v1/files/{id}', scopes: ['files:delete'] },
    ],
    more: { ISSUERS_OPS: vars.ISSUERS },
  })
  expect([await call('GET'), await call('DELETE'), await helped()]).toEqual([200, 403, 200])
  await eventually(async () => {
    const { stdout } = await runHere(['agents', 'show', 'acme/agent-7', ...at()])
    expect(stdout).toContain('children')
  })
})
afterAll(async () => {
  for (const [question, ms] of took) console.log(`${(ms / 1_000).toFixed(1)} s  ${question}`)
  await setting.close()
})

const request = async (method: string, claims: object) => {
  const token = await setting.token({ scope: 'files:read', sub: 'alice', ...claims })
  return (await setting.ask('/v1/files/1', { method, token })).status
}
/** A request of the agent for alice. */
const call = (method: string) => request(method, { client_id: 'agent-7', act: { sub: 'agent-7' } })
/** A request of another agent that acts for it. */
const helped = () =>
  request('GET', { client_id: 'helper', act: { sub: 'helper', act: { sub: 'agent-7' } } })

const at = () => ['--gate', setting.gate.url, '--key', 'ops.jwk', '--audience', RESOURCE]

const printed = (words: readonly string[]) =>
  new Promise<string>((done) => {
    const args = [inject('command'), ...words, ...at()]
    execFile(process.execPath, args, { cwd: directory }, (_, stdout, stderr) =>
      done(stdout + stderr),
    )
  })

/** Asks by a command, as a person would, and has what it printed. */
const ask = async (question: string, ...words: readonly string[]): Promise<string> => {
  const began = performance.now()
  const answer = await printed(words)
  took.push([question, performance.now() - began])
  return answer
}

/** {@link ask}, again until the answer has a text. All of it counts as waiting. */
const seek = async (question: string, text: RegExp, ...words: readonly string[]) => {
  const began = performance.now()
  const answer = await eventually(async () => {
    const shown = await printed(words)
    expect(shown).toMatch(text)
    return shown
  })
  took.push([question, performance.now() - began])
  return answer
}

/** The first text of an answer that a pattern finds. */
const shownIn = (answer: string, pattern: RegExp): string => {
  const found = pattern.exec(answer)?.[1]
  expect([answer, found]).toEqual([answer, expect.any(String)])
  return found ?? ''
}

it('are answered within ten seconds each, by what the answer before has shown', async () => {
  const refused = /denied scope_missing +(\S+) .* (\S+)$/m
  const log = await seek('what happened in the last hour', refused, 'log', '--from', '1h')
  const agent = shownIn(log, refused)
  expect(agent).toBe('acme/agent-7')

  const words = ['--agent', agent, '--by', 'rule,subject,code', '--from', '1h']
  const read = /^GET \/v1\/files\/\{id\} +\S+ +alice +– +1 +0 /m
  const done = await seek('what did it do, and for whom', read, 'usage', ...words)
  expect(done).toMatch(/^DELETE \/v1\/files\/\{id\} +\S+ +alice +scope_missing +1 +1 /m)

  const request = shownIn(log, /denied scope_missing .* (\S+)$/m)
  const why = await ask('why was it refused', 'why', request)
  expect(why).toContain('scope_missing')
  expect(why).toContain('files:delete')

  const known = await ask('what else acts for it', 'agents', 'show', agent)
  const other = shownIn(known, /^ +children +(\S+)$/m)
  const calls = / allowed +acme\/helper for agent-7 for alice +GET /
  await seek('what did that one do', calls, 'log', '--agent', other, '--from', '1h')

  const stopped = await ask('stop it', 'agents', 'suspend', agent, '--reason', 'odd calls')
  expect(stopped).toContain(`${agent}: suspended`)
  expect(stopped).toContain(`These act with it (${other}).`)
  expect([await call('GET'), await helped()]).toEqual([403, 403])

  const standing = await ask('is it stopped', 'agents', 'show', agent)
  expect(standing).toContain(`${agent}: suspended`)
  const act = /act suspend +maria +.*agent-7.*reason: odd calls/
  await seek('who stopped it', act, 'log', '--kind', 'act', '--from', '1h')

  const undone = await ask('undo', 'agents', 'resume', agent)
  expect(undone).toContain(`${agent}: discovered`)
  expect([await call('GET'), await helped()]).toEqual([200, 200])

  const revoked = await ask('stop it for good', 'revoke', 'agent', agent, '--wait')
  const id = shownIn(revoked, /, id (\S+)$/m)
  expect(await call('GET')).toBe(401)
  expect(await ask('what is stopped', 'list', '--agent', agent)).toContain(`, id ${id}, `)
  expect(await ask('undo that', 'lift', id)).toContain(`Lifted ${id}`)
  expect(await call('GET')).toBe(200)

  for (const [question, ms] of took) expect([question, ms < LONGEST_MS]).toEqual([question, true])
}, 180_000)
