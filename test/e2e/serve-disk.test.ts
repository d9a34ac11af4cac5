import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { freePort } from '../kit/port.ts'
import { createProject, type Project, served } from '../kit/serve.ts'
import { PATIENCE } from '../kit/wait.ts'
import { until } from './setting.ts'

/** A command in a mount namespace of its own, where it may mount a small disk without further rights. */
const UNSHARED = ['unshare', '-rm', 'sh', '-ec'] as const
const [unshare, ...flags] = UNSHARED
/** Machines that forbid it test only the rest. */
const mayMount = spawnSync(unshare, [...flags, 'mount -t tmpfs tmpfs /mnt']).status === 0

const RESOURCE = 'http://localhost'

let issuer: Issuer
let project: Project
let port: number
beforeAll(async () => {
  const all = [createIssuer(), createProject(), freePort()] as const
  ;[issuer, project, port] = await Promise.all(all)
  await mkdir(join(project.directory, 'disk'))
  const { issuer: iss, jwksUri: jwks_uri } = issuer
  await project.write({
    GATE: { resource: RESOURCE, origin: issuer.issuer },
    ISSUERS: { acme: { issuer: iss, jwks_uri, allow_insecure_http: true, admin: 'all' } },
    ROUTES: [{ match: 'GET /v1/*', scopes: [], revocation: 'strict' }],
  })
})
afterAll(() => Promise.all([issuer?.close(), project?.remove()]))

/** Starts `serve` with its data on a disk of its own; `prepare` is what the shell does in it before. */
const serveOn = (prepare: string) => {
  const listen = ['--listen', `127.0.0.1:${port}`]
  const command = ['serve', '--bundle', inject('bundle'), ...listen, '--data', 'disk/data']
  const script = `mount -t tmpfs -o size=8m tmpfs disk; (cd disk; ${prepare}); exec "$@"`
  return served(
    spawn(unshare, [...flags, script, 'sh', process.execPath, inject('command'), ...command], {
      cwd: project.directory,
      env: { ...process.env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
}

const FILL = 'dd if=/dev/zero of=filler bs=4k count=4k 2>&1 | grep -q "No space"'
const LOCK = 'mount -o remount,bind,ro "$PWD"'
const USED = 'mkdir -p data/objects'

describe.runIf(mayMount)('a disk', () => {
  it.each([
    ['full', FILL, 'the disk is full'],
    ['full, with data from before', `${USED}; ${FILL}`, 'the disk is full'],
    ['read-only', LOCK, 'the file system is read-only'],
    ['read-only, with data from before', `${USED}; ${LOCK}`, 'the file system is read-only'],
  ])('that is %s ends the start, with the reason', async (_, prepare, reason) => {
    const gate = serveOn(prepare)
    expect(await gate.ended()).toBe(2)
    expect(gate.stderr()).toContain(`Cannot use disk/data: ${reason}`)
  })

  it('that fills up while the gate runs makes it not ready, until there is room again', async () => {
    const gate = serveOn('true')
    await gate.says('is served at')
    const ask = async (path: string, scope: string, body?: object) => {
      const sent = request({
        ...{ host: '127.0.0.1', port, path, agent: false, method: body ? 'POST' : 'GET' },
        headers: {
          host: 'localhost',
          'content-type': 'application/json',
          authorization: `Bearer ${await issuer.mint({ aud: RESOURCE, scope })}`,
        },
      }).end(body && JSON.stringify(body))
      const [answer] = await once(sent, 'response')
      return { status: answer.statusCode as number, body: await text(answer) }
    }
    const ready = () => ask('/.edgewarden/ready', 'chat:write')
    const revoke = async (value: string) => {
      const entry = { kind: 'agent', issuer: issuer.issuer, value }
      return (await ask('/.edgewarden/revocations', 'edgewarden:revoke', entry)).status
    }
    const isForwarded = async () => (await ask('/v1/x', 'chat:write')).status === 404
    expect(await revoke('a')).toBe(200)
    expect(await isForwarded()).toBe(true)
    const inside = `/proc/${gate.child.pid}/root${project.directory}/disk/filler`
    const filler = await open(inside, 'w')
    for (const size of [65_536, 512]) {
      const block = Buffer.alloc(size)
      const fits = () =>
        filler.write(block).then(
          () => true,
          () => false,
        )
      while (await fits());
    }
    await filler.close()
    expect(await revoke('b')).toBe(503)
    const { status, body } = await ready()
    expect([status, JSON.parse(body).checks]).toEqual([
      503,
      { policy: true, keys: true, revocations: false },
    ])
    // What can be read is still decided by.
    for (let i = 0; i < 5; i++) expect(await isForwarded()).toBe(true)
    await rm(inside)
    await until(ready, (one) => one.status === 200, PATIENCE)
    expect(await revoke('b')).toBe(200)
    gate.child.kill('SIGTERM')
    expect(await gate.ended()).toBe(0)
  })
})
