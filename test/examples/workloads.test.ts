import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse as parseToml } from 'smol-toml'
import { afterAll, describe, expect, it } from 'vitest'
import { parseAllDocuments, parse as parseYaml } from 'yaml'
import { startGate } from '../kit/gate.ts'
import { startOrigin } from '../kit/origin.ts'
import { freePort } from '../kit/port.ts'
import { ROOT } from '../kit/repository.ts'
import { startWorkloadIssuer } from '../kit/workloads.ts'

const directory = mkdtempSync(join(tmpdir(), 'edgewarden-examples-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const read = (name: string) => readFileSync(join(ROOT, 'examples/workloads', name), 'utf8')

type Variables = Readonly<Record<string, string>>

/** Runs a script as its platform would. */
const sh = (command: string, args: readonly string[], env: Variables) =>
  new Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>(
    (done) => {
      const around = { env: { PATH: process.env.PATH, ...env } }
      execFile(command, args, around, (error, stdout, stderr) =>
        done({ code: Number(error?.code ?? 0), stdout, stderr }),
      )
    },
  )

/** A gate with the tables that stand in the comments of an example, before a stub of the issuer that they name. */
const startWorld = async (name: string, profile: string) => {
  const comments = read(name).match(/^# {3}(.*)$/gm) ?? []
  const { vars } = parseToml(comments.map((line) => line.slice(4)).join('\n')) as {
    readonly vars: { readonly ISSUERS: Readonly<Record<string, Readonly<Record<string, unknown>>>> }
  }
  const [issuer, origin, port] = await Promise.all([
    startWorkloadIssuer(profile),
    startOrigin(),
    freePort(),
  ])
  const [[table = '', entry] = []] = Object.entries(vars.ISSUERS)
  expect(entry?.profile).toBe(profile)
  const resource = `http://127.0.0.1:${port}`
  const gate = await startGate({
    port,
    vars: {
      ...vars,
      GATE: { resource, origin: origin.url, insecure_http: true },
      ISSUERS: { [table]: { ...entry, issuer: issuer.issuer, allow_insecure_http: true } },
      ROUTES: [{ match: 'GET /v1/documents/{id}', scopes: ['documents:read'] }],
    },
  })
  const close = () => Promise.all([gate.stop(), issuer.close(), origin.close()])
  return { issuer, origin, gate, resource, close }
}

describe('the workflow for GitHub Actions', () => {
  const workflow = parseYaml(read('github-actions.yml'))
  const { env, steps, ...job } = workflow.jobs.call

  it('may ask for a token, and for nothing else', () => {
    expect(workflow.permissions).toEqual({ contents: 'read', 'id-token': 'write' })
    expect(Object.keys(job)).toEqual(['runs-on', 'timeout-minutes'])
  })

  it('gets a token and calls the gate', async () => {
    const { issuer, origin, resource, close } = await startWorld(
      'github-actions.yml',
      'github-actions',
    )
    const [{ run, shell }] = steps
    expect([shell, Object.keys(env)]).toEqual(['bash', ['GATE']])
    const given = {
      GATE: resource,
      ACTIONS_ID_TOKEN_REQUEST_URL: issuer.request.url,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: issuer.request.token,
    }
    const bash = ['--noprofile', '--norc', '-eo', 'pipefail', '-c', run]
    const { code, stdout, stderr } = await sh('bash', bash, given)
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^::add-mask::ey/)
    expect(origin.requests.map(({ url }) => url)).toEqual(['/v1/documents/7'])
    const [request] = origin.requests
    expect(request?.header('x-agent-id')).toBe('github/74')
    expect(request?.header('x-agent-workflow-id')).toBe('9876543210')

    // What a job without the permission is given.
    const refused = await sh('bash', bash, { ...given, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'none' })
    expect(refused.code).not.toBe(0)
    expect(origin.requests).toHaveLength(1)
    await close()
  })
})

describe('the manifest for Kubernetes', () => {
  const documents = parseAllDocuments(read('kubernetes.yaml'))
  const objects = new Map(documents.map((one) => [one.get('kind'), one.toJS()]))
  const pod = objects.get('CronJob').spec.jobTemplate.spec.template.spec
  const [container] = pod.containers
  const [{ projected }] = pod.volumes
  const [{ serviceAccountToken: asked }] = projected.sources

  it('is YAML without a mistake, and of one account', () => {
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
    const { name, namespace } = objects.get('ServiceAccount').metadata
    expect(pod.serviceAccountName).toBe(name)
    expect(objects.get('CronJob').metadata.namespace).toBe(namespace)
    expect(read('kubernetes.yaml')).toContain(`"system:serviceaccount:${namespace}:${name}"`)
  })

  it('mounts a token for the gate, and calls the gate with it', async () => {
    const { issuer, origin, resource, close } = await startWorld('kubernetes.yaml', 'kubernetes')
    const [{ value }] = container.env
    expect(asked.audience).toBe(value)
    const [mount] = container.volumeMounts
    expect(mount.name).toBe(pod.volumes[0].name)
    const now = Math.floor(Date.now() / 1000)
    const token = await issuer.mint({ aud: [resource], exp: now + asked.expirationSeconds })
    writeFileSync(join(directory, asked.path), token)
    const [script] = container.args
    expect(script).toContain(`${mount.mountPath}/${asked.path}`)
    const [shell, ...flags] = container.command
    const run = (gate: string) =>
      sh(shell, [...flags, script.replaceAll(mount.mountPath, directory)], { GATE: gate })
    expect(await run(resource)).toMatchObject({ code: 0, stderr: '' })
    const [request] = origin.requests
    expect(request?.header('x-agent-id')).toBe('cluster/system:serviceaccount:agents:planner')

    for (const [changes, code] of [
      [{ aud: ['other'] }, 'audience_mismatch'],
      [{ aud: [resource], sub: 'system:serviceaccount:agents:other' }, 'grant_missing'],
    ] as const) {
      writeFileSync(join(directory, asked.path), await issuer.mint(changes))
      const refused = await run(resource)
      expect([refused.code, JSON.parse(refused.stdout).code]).toEqual([22, code])
    }
    expect(origin.requests).toHaveLength(1)
    await close()
  })
})
