import type { CryptoKey } from 'jose'
import { agenticWalk } from './agentic-walk.ts'
import { approvalWalk } from './approval-walk.ts'
import type { AuthorizationServer, DemoClient } from './authorization-server.ts'
import { createCall, type Step } from './call.ts'
import { delegationWalk } from './delegation-walk.ts'
import { dpopWalk } from './dpop-walk.ts'
import { mcpWalk } from './mcp-walk.ts'

interface Walk {
  readonly gate: string
  /** The address of its console. */
  readonly console: string
  readonly server: AuthorizationServer
  readonly clients: readonly Pick<DemoClient, 'clientId' | 'clientSecret' | 'scopes'>[]
  /** A token of the operators, for the gate's own endpoints. */
  readonly opsToken: () => Promise<string>
  /** Signs Agentic JWTs. */
  readonly agenticKey: CryptoKey
}

/** A scripted agent's walk through the gate: what passes, what is refused, and why. */
export async function* walk({
  gate,
  console,
  server,
  clients,
  opsToken,
  agenticKey,
}: Walk): AsyncGenerator<Step> {
  const clientOf = (clientId: string) => {
    const client = clients.find((one) => one.clientId === clientId)
    if (!client) throw new Error(`no client ${clientId}`)
    return client
  }
  const token = (clientId: string) => {
    const client = clientOf(clientId)
    return server.token({ ...client, scope: client.scopes.join(' ') })
  }
  const call = createCall(gate)
  const chat = (stream: boolean) => ({
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ model: 'demo', stream, messages: [{ role: 'user', content: 'Hello' }] }),
  })
  const revocations = '/.edgewarden/revocations'
  const operate = async (what: string, method: string, path: string, entry?: object) =>
    call(what, [method === 'DELETE' ? 204 : 200, 'allowed'], path, {
      method,
      token: await opsToken(),
      ...(entry && {
        body: JSON.stringify(entry),
        headers: { 'Content-Type': 'application/json' },
      }),
    })

  const sprint = await token('sprinter')
  const researcher = await token('researcher')
  const reader = await token('reader')
  const document = '/v1/documents/42'

  const first = await call('an agent reads a document', [200, 'allowed'], document, {
    token: researcher,
  })
  yield { ...first, first: true }
  yield await call('it asks a model, answer streamed', [200, 'allowed'], '/v1/chat/completions', {
    ...chat(true),
    token: researcher,
  })
  yield await call('no token', [401, 'credential_missing'], document)
  yield await call('a token without the scope', [403, 'scope_missing'], '/v1/chat/completions', {
    ...chat(false),
    token: reader,
  })
  yield await call('a forged token', [401, 'signature_invalid'], document, {
    token: withClaims(researcher, { scope: 'documents:read chat:write admin' }),
  })
  yield await call('a token with alg none', [401, 'algorithm_forbidden'], document, {
    token: unsigned(researcher),
  })
  yield* delegationWalk({
    call,
    server,
    orchestrator: clientOf('researcher'),
    orchestratorToken: researcher,
    agentToken: await token('summarizer'),
  })
  yield* dpopWalk({ call, gate, server, client: clientOf('researcher') })
  yield* agenticWalk({ call, gate, key: agenticKey, opsToken })
  yield* approvalWalk({ call, console, token: researcher })
  yield* mcpWalk({ url: `${gate}/mcp`, issuer: server.issuer, client: clientOf('researcher') })
  await until(expiryOf(sprint))
  yield await call('an expired token', [401, 'token_expired'], document, { token: sprint })
  yield await operate('the operator revokes the agent "reader"', 'POST', revocations, {
    kind: 'agent',
    issuer: server.issuer,
    value: 'reader',
    reason: 'demo',
  })
  yield await call('the revoked agent tries again', [401, 'token_revoked'], document, {
    token: reader,
  })
  yield await call('the other agent goes on', [200, 'allowed'], document, { token: researcher })
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as object
const partsOf = (token: string) => token.split('.') as [string, string, string]

const withClaims = (token: string, claims: object): string => {
  const [header, payload, signature] = partsOf(token)
  return [header, encode({ ...decode(payload), ...claims }), signature].join('.')
}

const unsigned = (token: string): string => {
  const [, payload] = partsOf(token)
  return `${encode({ alg: 'none', typ: 'at+jwt' })}.${payload}.`
}

const expiryOf = (token: string): number => (decode(partsOf(token)[1]) as { exp: number }).exp

/** Waits until a second after the moment, given in seconds since the epoch. */
const until = (moment: number) =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, (moment + 1) * 1000 - Date.now())))
