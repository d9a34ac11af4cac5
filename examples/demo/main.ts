import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { startInteractiveServer } from '../../test/kit/mcp/interactive-server.ts'
import { AGENTIC, agenticRule } from './agentic-walk.ts'
import { approvalRule, CONSOLE_CLIENT, callbackOf, PEOPLE, PERSON_SCOPES } from './approval-walk.ts'
import { startAuthorizationServer } from './authorization-server.ts'
import type { Step } from './call.ts'
import { commandLines, curlLines } from './curl.ts'
import { RUN } from './delegation-walk.ts'
import { startDoor } from './door.ts'
import { startGate } from './gate.ts'
import { MCP_SCOPES, mcpRule } from './mcp-walk.ts'
import { startOrigin } from './origin.ts'
import { walk } from './walk.ts'

/** Identifier of the operators' own issuer: its key is in the policy, so it has no server. */
const OPS = 'https://ops.demo.invalid'

const CLIENTS = [
  {
    clientId: 'researcher',
    clientSecret: 'researcher-secret',
    scopes: ['chat:write', 'documents:read', 'notes:read', 'notes:write', ...MCP_SCOPES],
    agentType: 'orchestrator',
    workflowId: RUN,
  },
  {
    clientId: 'summarizer',
    clientSecret: 'summarizer-secret',
    scopes: ['notes:read'],
    agentType: 'sub-agent',
  },
  { clientId: 'reader', clientSecret: 'reader-secret', scopes: ['documents:read'] },
  {
    clientId: 'sprinter',
    clientSecret: 'sprinter-secret',
    scopes: ['documents:read'],
    tokenLifetime: 1,
  },
] as const

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Starts everything and walks; ends after the walk with `--once`, else when it is interrupted. */
const main = async (): Promise<number> => {
  const interrupted = Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)))
  const stop: (() => Promise<void>)[] = []
  const abort = new AbortController()
  const session = run(stop, abort.signal)
  try {
    const early = await Promise.race([session, interrupted.then(() => INTERRUPTED)])
    if (early !== INTERRUPTED && !process.argv.includes('--once')) await interrupted
    return early
  } finally {
    session.catch(() => undefined)
    abort.abort()
    for (const one of stop.reverse()) await one()
  }
}

/** What an operator may do in the console. */
const CONSOLE_SCOPES =
  'edgewarden:read edgewarden:revoke edgewarden:metrics edgewarden:audit:read edgewarden:agents'

/** What a shell reports of a command that was interrupted. */
const INTERRUPTED = 130

const run = async (stop: (() => Promise<void>)[], signal: AbortSignal): Promise<number> => {
  const started = performance.now()
  const port = await freePort()
  const resource = `http://127.0.0.1:${port}`
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const agentic = await generateKeyPair('ES256', { extractable: true })
  const origin = await startOrigin()
  stop.push(origin.close)
  const mcp = `${resource}/mcp`
  const server = await startAuthorizationServer({
    resource,
    furtherResources: [mcp],
    clients: [...CLIENTS],
  })
  stop.push(server.close)
  const console = `http://localhost:${port}`
  const people = await startInteractiveServer({
    resources: [resource],
    scopes: PERSON_SCOPES,
    redirectUri: callbackOf(console),
    lifetimes: { [CONSOLE_CLIENT]: 300 },
  })
  stop.push(people.close)
  signal.throwIfAborted()
  const gate = startGate(port, {
    GATE: {
      resource,
      origin: origin.url,
      clock_tolerance: '0s',
      console: { host: 'localhost' },
      // The walk revokes and tries at once; the default lets up to five seconds pass.
      revocation: { consistency: 'strict' },
    },
    ISSUERS: {
      demo: {
        issuer: server.issuer,
        agent_prefix: 'demo/',
        agent_id: ['act.sub', 'client_id'],
        allow_insecure_http: true,
      },
      [PEOPLE]: {
        issuer: people.url,
        agent_prefix: 'people/',
        admin: 'all',
        rules: false,
        allow_insecure_http: true,
        person: { client_id: CONSOLE_CLIENT, scopes: PERSON_SCOPES },
      },
      ops: {
        issuer: OPS,
        agent_prefix: 'ops/',
        admin: 'all',
        rules: false,
        operator: 'maria',
        jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'ops', alg: 'ES256' }] },
      },
      agentic: {
        issuer: AGENTIC,
        profile: 'agentic-jwt',
        agent_prefix: 'agentic/',
        jwks: { keys: [{ ...(await exportJWK(agentic.publicKey)), kid: 'agentic', alg: 'ES256' }] },
      },
    },
    ROUTES: [
      agenticRule,
      { match: 'GET /v1/models', scopes: [] },
      { match: 'GET /v1/documents/{id}', scopes: ['documents:read'] },
      { match: 'POST /v1/chat/completions', scopes: ['chat:write'] },
      {
        match: 'GET /v1/runs/{run}/notes',
        scopes: ['notes:read'],
        workflow: 'path:run',
        audit_path: 'values',
      },
      { match: 'POST /v1/runs/{run}/notes', scopes: ['notes:write'], workflow: 'path:run' },
      {
        match: 'GET /v1/runs/{run}/archive',
        scopes: ['notes:read'],
        workflow: 'path:run',
        when: `agent.type != "sub-agent" || now.getHours("UTC") in ${laterHours()}`,
      },
      { match: 'GET /whoami', scopes: [] },
      approvalRule,
      mcpRule(mcp),
    ],
  })
  stop.push(gate.close)
  await gate.up()
  print(`authorization server  ${server.issuer}`)
  print(`gate                  ${gate.url}`)
  print(`origin                ${origin.url}`)
  const key = await operatorKey({ ...(await exportJWK(privateKey)), kid: 'ops', iss: OPS })
  stop.push(key.remove)
  const door = await startDoor(() => opsToken(CONSOLE_SCOPES), gate.url)
  stop.push(door.close)
  print(`console               ${door.url} (it signs you in)\n`)
  const opsToken = (scope = 'edgewarden:revoke edgewarden:agents') =>
    new SignJWT({ client_id: 'demo-operator', scope })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'ops' })
      .setIssuer(OPS)
      .setSubject('demo-operator')
      .setAudience(resource)
      .setJti(crypto.randomUUID())
      .setIssuedAt()
      .setExpirationTime('60s')
      .sign(privateKey)
  let failed = 0
  const given = { gate: gate.url, console, server, clients: CLIENTS, opsToken }
  for await (const step of walk({ ...given, agenticKey: agentic.privateKey })) {
    if (!step.asExpected) failed += 1
    print(line(step))
    if (step.first) print(dim(`  ${seconds(started)} s from the start to the first answer`))
  }
  print(failed === 0 ? '\nEvery step was as it should be.' : `\n${failed} steps were not.`)
  if (!process.argv.includes('--once')) {
    print(curlLines({ gate: gate.url, server, client: CLIENTS[0] }))
    print(commandLines(gate.url, key.path))
  }
  return failed === 0 ? 0 : 1
}

/** The operator's private key in a file, as `keygen` writes it, for commands. */
const operatorKey = async (jwk: object) => {
  const folder = await mkdtemp(join(tmpdir(), 'edgewarden-demo-key-'))
  const path = join(folder, 'ops.jwk')
  await writeFile(path, JSON.stringify(jwk), { mode: 0o600 })
  return { path, remove: () => rm(folder, { recursive: true, force: true }) }
}

/** Hours of the day that are far from now. */
const laterHours = () => {
  const hour = new Date().getUTCHours()
  return JSON.stringify([11, 12, 13].map((later) => (hour + later) % 24))
}

const print = (text: string) => process.stdout.write(`${text}\n`)
const dim = (text: string) => styleText('dim', text)
const seconds = (from: number) => ((performance.now() - from) / 1000).toFixed(1)

const line = ({ asExpected, status, reason, what }: Step): string => {
  const mark = asExpected ? styleText('green', '✔') : styleText('red', '✘')
  return `${mark} ${status} ${reason.padEnd(22)} ${what}`
}

process.exit(await main())
