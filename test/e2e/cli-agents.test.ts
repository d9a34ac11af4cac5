import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { folder, inFolder, runHere } from '../command/kit.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { clocked, gather } from './keys-setting.ts'
import { RESOURCE, type Setting, startSetting } from './setting.ts'

const directory = await folder()
inFolder(directory)
let setting: Setting
beforeAll(async () => {
  const { stdout } = await runHere(['keygen', '--operator', '--issuer', 'ops'])
  const { vars } = parse(stdout) as { vars: { ISSUERS: object } }
  setting = await startSetting({
    ...(await clocked(WITH_AUDIT)),
    issuer: { agent_prefix: 'acme/' },
    routes: [
      { match: 'GET /v1/files/{id}', scopes: ['files:read'] },
      { match: 'GET /v1/approved', scopes: [], agents: 'approved' },
      {
        match: 'GET,POST /mcp',
        scopes: [],
        mcp: { tools: { 'get_*': ['weather:read'], other: [] } },
      },
    ],
    more: { ISSUERS_OPS: vars.ISSUERS },
  })
  await gather(setting.gate, 'soon')
})
afterAll(() => setting.close())

const agents = (...args: readonly string[]) =>
  runHere([
    ...['agents', ...args, '--gate', setting.gate.url],
    ...['--key', 'ops.jwk', '--audience', RESOURCE],
  ])

const statusOf = async (agent: string, path: string, claims: object = {}) => {
  const token = await setting.token({
    client_id: agent,
    sub: agent,
    scope: 'files:read',
    ...claims,
  })
  return (await setting.ask(path, { token })).status
}

it.concurrent('shows an approval that has ended as the gate takes it', async () => {
  const of = ['agent-ends', '--issuer', 'acme']
  const expires = new Date(Date.now() + 8_000).toISOString()
  const approved = await agents('approve', ...of, '--owner', 'team-a', '--expires', expires)
  expect(approved.stdout).toMatch(/^acme\/agent-ends: approved\n/)
  expect(await statusOf('agent-ends', '/v1/approved')).toBe(200)
  await eventually(async () => {
    const { stdout } = await agents('show', ...of)
    expect(stdout).toMatch(/^acme\/agent-ends: approval ended\n/)
  })
  expect(await statusOf('agent-ends', '/v1/approved')).toBe(403)
  const list = await agents('list', 'acme/agent-ends')
  expect(list.stdout).toMatch(/acme\/agent-ends +approval ended +team-a/)
})

it.concurrent('approves, suspends and resumes an agent, and says before what that stops', async () => {
  const of = ['acme/agent-1']
  expect(await statusOf('agent-1', '/v1/approved')).toBe(403)
  const approved = await agents('approve', ...of, '--owner', 'team-a', '--expires', '2031-01-01')
  expect([approved.code, approved.stdout]).toEqual([
    0,
    expect.stringMatching(/^acme\/agent-1: approved\n[\s\S]*owners +team-a$/m),
  ])
  expect(await statusOf('agent-1', '/v1/approved')).toBe(200)
  const found = await agents('list', 'acme/agent-1')
  expect([found.code, found.stdout]).toEqual([0, expect.stringContaining('acme/agent-1 ')])
  expect((await agents('list', 'gent-1')).stdout).toBe('There are none.\n')
  const child = { act: { sub: 'child', act: { sub: 'agent-1' } } }
  await statusOf('agent-1', '/v1/files/1')
  await statusOf('child', '/v1/files/1', child)
  await eventually(async () => {
    const { stdout } = await agents('show', ...of)
    expect(stdout).toMatch(/^ +children +acme\/child$/m)
    // A line for each use.
    expect(stdout).toMatch(/^ +uses +rule .*\n +rule .*/m)
  })
  const suspended = await agents('suspend', ...of, '--reason', 'odd calls')
  expect([suspended.code, suspended.stdout]).toEqual([
    0,
    expect.stringContaining('acme/agent-1: suspended'),
  ])
  expect(suspended.stderr).toBe(
    'This stops 1 agent (acme/agent-1): 2 allowed calls in the last hour.\nThese act with it (acme/child).\n',
  )
  expect(await statusOf('agent-1', '/v1/files/1')).toBe(403)
  expect(await statusOf('child', '/v1/files/1', child)).toBe(403)
  expect((await agents('show', 'acme/child')).stdout).toMatch(
    /^ +parents +acme\/agent-1 \(suspended\)$/m,
  )
  expect((await agents('resume', ...of)).stdout).toContain('acme/agent-1: approved')
  const cleared = await agents('set', ...of, '--owner', '', '--purpose', 'reads files')
  expect(cleared.stdout).not.toContain('owners')
  expect(cleared.stdout).toContain('reads files')
})

it.concurrent('lists, reviews and adopts', async () => {
  const weather = await setting.token({ client_id: 'mcp-agent', scope: 'weather:read admin' })
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'get_weather' } }
  await setting.ask('/mcp', {
    method: 'POST',
    token: weather,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
    },
    body: JSON.stringify(call),
  })
  await eventually(async () => {
    const { stdout } = await agents('adopt', 'mcp-agent', '--issuer', 'acme')
    expect(stdout).toContain('mcp = { tools = { get_weather = ["weather:read"] } }')
    expect(parse(stdout)).toMatchObject({ vars: { ROUTES: [{ match: 'GET,POST /mcp' }] } })
    expect(stdout).toContain('not used: admin')
  })
  const review = await agents('review')
  expect([review.code, review.stdout]).toEqual([
    1,
    expect.stringMatching(/acme\/mcp-agent +discovered +– +\d{4}-\d\d-\d\d +owner, approval/),
  ])
  expect((await agents('list', '--status', 'retired')).stdout).toBe('There are none.\n')
  expect(await agents('show', 'nobody', '--issuer', 'acme')).toMatchObject({ code: 1 })
  expect(await agents('show', 'nobody')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('begins with no agent_prefix of an issuer (acme/'),
  })
  // A slip is answered with the name that is meant.
  for (const [name, ...of] of [['acme/mcp-agnet'], ['mcp-agentt', '--issuer', 'acme']] as const) {
    expect(await agents('show', name, ...of)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Did you mean acme\/mcp-agent\?$/m),
    })
  }
  expect((await agents('show', 'nobody', '--issuer', 'acme')).stderr).not.toContain('Did you')
  expect((await agents('suspend', 'acme/mcp-agnet', '--reason', 'x')).stderr).toMatch(
    /is acme\/mcp-agnet of \S+ right\? Did you mean acme\/mcp-agent\?$/m,
  )
  expect((await agents('retire', 'acme/mcp-agnet', '--reason', 'x')).code).toBe(0)
})

it('approves an agent of which the registry learns meanwhile', async () => {
  const of = ['agent-meanwhile', '--issuer', 'acme']
  const send = globalThis.fetch
  const learned = vi.spyOn(globalThis, 'fetch').mockImplementation(async (...asked) => {
    const [input, init] = asked
    const isPut = (init?.method ?? (input instanceof Request ? input.method : '')) === 'PUT'
    if (isPut) {
      learned.mockRestore()
      await statusOf('agent-meanwhile', '/v1/approved')
      await eventually(async () => expect((await agents('show', ...of)).code).toBe(0))
    }
    return await send(...asked)
  })
  const { code, stdout } = await agents('approve', ...of, '--owner', 'team-a')
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^acme\/agent-meanwhile: approved\n/)])
  expect(vi.isMockFunction(globalThis.fetch)).toBe(false)
})

it('exports what was decided, and imports it again', async () => {
  await agents('approve', 'one', '--issuer', 'acme', '--owner', 'a', '--owner', 'b')
  await agents('set', 'two', '--issuer', 'acme', '--name', 'The "second"')
  const unseen = await agents('suspend', 'two', '--issuer', 'acme')
  expect([unseen.code, unseen.stderr]).toEqual([
    0,
    `warning: the gate has seen no call of this agent: is acme/two of ${setting.issuer.issuer} right?\n`,
  ])
  const { stdout } = await agents('export')
  await writeFile(join(directory, 'agents.toml'), stdout)
  const same = await agents('import', 'agents.toml')
  expect([same.code, same.stdout]).toEqual([0, 'Nothing differs.\n'])
  const file = await readFile(join(directory, 'agents.toml'), 'utf8')
  const changed = file
    .replace('owners = ["a", "b"]', 'owners = ["b"]')
    .replace(/(agent = "two"\nstatus = )"suspended"/, '$1"approved"')
  const added = `[[agents]]\nissuer = "${setting.issuer.issuer}"\nagent = "three"\nstatus = "suspended"\n`
  await writeFile(join(directory, 'agents.toml'), `${changed}\n${added}`)
  const dry = await agents('import', 'agents.toml')
  expect(dry.code).toBe(1)
  expect(dry.stdout.split('\n').filter(Boolean)).toEqual([
    expect.stringMatching(/^change one of .*: owners \["a", "b"\] → \["b"\]$/),
    expect.stringMatching(/^change two of .*: status "suspended" → "approved"$/),
    expect.stringMatching(/^add three of .*status null → "suspended"$/),
  ])
  expect(await statusOf('two', '/v1/files/1')).toBe(403)
  expect((await agents('import', 'agents.toml', '--yes')).code).toBe(0)
  expect((await agents('import', 'agents.toml')).code).toBe(0)
  expect([await statusOf('two', '/v1/approved'), await statusOf('three', '/v1/files/1')]).toEqual([
    200, 403,
  ])
})

it('exports and imports an agent whose id begins as the prefix does, and no other in its place', async () => {
  for (const issuer of ['acme', setting.issuer.issuer]) {
    const asked = await agents('suspend', 'acme/twin', '--issuer', issuer)
    expect([asked.code, asked.stderr]).toEqual([
      2,
      expect.stringMatching(/two agents of .* --as-name for the agent "twin" .* --as-id for the /),
    ])
  }
  const named = await agents('set', 'acme/twin', '--issuer', 'acme', '--as-name', '--owner', 'a')
  expect(named.stdout).toMatch(/^acme\/twin: discovered/)
  const of = ['acme/twin', '--issuer', 'acme', '--as-id']
  expect((await agents('suspend', ...of)).stdout).toMatch(/^acme\/acme\/twin: suspended/)
  const file = join(directory, 'twins.toml')
  const { stdout } = await agents('export')
  await writeFile(file, stdout)
  expect((await agents('import', 'twins.toml')).stdout).toBe('Nothing differs.\n')
  await agents('resume', ...of)
  expect((await agents('import', 'twins.toml', '--yes')).code).toBe(0)
  const paths = ['acme/twin', 'twin'].map((agent) => statusOf(agent, '/v1/files/1'))
  expect(await Promise.all(paths)).toEqual([403, 200])
})
