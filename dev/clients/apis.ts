import { createServer, type RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import { type Loopback, listenOnLoopback } from '../../examples/demo/loopback.ts'
import { DENIED_MODELS, MODEL_PATHS } from './model-servers.ts'
import { MODELS } from './places.ts'
import { serveRealtime } from './realtime.ts'

/** What a policy allows outside MCP. */
export const ALLOWED: readonly string[] = [
  ...MODEL_PATHS,
  `GET ${MODELS}/realtime`,
  `POST ${MODELS}/kit.Agents/Get`,
  `POST ${MODELS}/kit.Agents/Watch`,
  `POST ${MODELS}/graphql`,
]
/** Paths that need a scope that nobody has. */
export const DENIED: readonly string[] = [
  ...DENIED_MODELS,
  `GET ${MODELS}/denied/realtime`,
  `POST ${MODELS}/kit.Agents/Forbid`,
  `POST ${MODELS}/denied/graphql`,
]

const GRAPHQL = `${MODELS}/graphql`

/** Whether {@link startApis} serves a path. */
export function isOfApis(path: string): boolean {
  return /^\/v1\/(?:realtime|kit\.Agents|graphql)\b/.test(path)
}

// By its address: the type check has not got what only this folder installs.
const {
  serveRpc,
  serveGraphql,
}: Readonly<Record<string, (path: string, step: () => Promise<void>) => RequestListener>> =
  await import(new URL('rpc.mjs', import.meta.url).href)

/** Serves gRPC-web, Connect, GraphQL and realtime. Tells which callers of realtime leave before their answer has ended. */
export async function startApis(
  step: () => Promise<void>,
  onLeave: (content: string) => void,
): Promise<Loopback> {
  const [rpc, graphql] = [serveRpc?.(MODELS, step), serveGraphql?.(GRAPHQL, step)]
  const server = createServer((req, res) =>
    (req.url?.startsWith(GRAPHQL) ? graphql : rpc)?.(req, res),
  )
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  server.on('upgrade', (req, socket: Socket, head) =>
    sockets.handleUpgrade(req, socket, head, (opened) => serveRealtime(opened, step, onLeave)),
  )
  const listening = await listenOnLoopback(server, 0)
  return {
    ...listening,
    async close() {
      for (const socket of sockets.clients) socket.terminate()
      await listening.close()
    },
  }
}
