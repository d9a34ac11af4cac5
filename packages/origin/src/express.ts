import {
  AgentError,
  type AgentRequest,
  createAgentVerifier,
  problemOf,
  type VerifiedAgent,
  type VerifyOptions,
} from './index.ts'

/** The members of a Node or Express request that are read. */
export interface NodeRequest extends AgentRequest {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly httpVersionMajor?: number
  /** Bytes, if `express.raw` has read the body. */
  readonly body?: unknown
  /** Bytes, if a `verify` function of `express.json` kept them. */
  readonly rawBody?: unknown
  agent?: VerifiedAgent
}

/** The members of a Node or Express response that are used. */
export interface NodeResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(text: string): unknown
}

/** Options of {@link expressAgent}. */
export interface ExpressAgentOptions<Req extends NodeRequest, Res extends NodeResponse>
  extends VerifyOptions {
  /** The body's bytes as sent; by default `req.rawBody`, else `req.body` if it is bytes. */
  readonly rawBody?: (req: Req) => Uint8Array | undefined
  /** Answers a refused request; by default with problem details. */
  readonly refuse?: (error: AgentError, req: Req, res: Res) => void
}

const verified = new WeakMap<object, VerifiedAgent>()

/**
 * The agent of a request that {@link expressAgent} accepted. Throws for other requests.
 * @example
 * ```ts
 * import { agentOf, expressAgent } from 'edgewarden-origin/express'
 * import express from 'express'
 *
 * const agents = expressAgent({ gate: 'https://api.example.com', audience: 'https://origin.example.com' })
 * export const app = express().use(agents)
 * app.get('/v1/notes', (req, res) => res.json({ by: agentOf(req).id }))
 * ```
 */
export function agentOf(req: object): VerifiedAgent {
  const agent = verified.get(req)
  if (!agent) throw new AgentError('verification_failed', { detail: 'expressAgent did not run' })
  return agent
}

/**
 * `verifyAgent` as middleware for Express or Node's http: sets `req.agent` and calls `next()`.
 * Answers a refused request without calling `next`. An assertion bound to the body needs its bytes,
 * read beforehand. Throws a `TypeError` for invalid options.
 * @example
 * ```ts
 * import { agentOf, expressAgent } from 'edgewarden-origin/express'
 * import { createServer } from 'node:http'
 *
 * const agents = expressAgent({ gate: 'https://api.example.com', audience: 'https://origin.example.com' })
 * export const server = createServer((req, res) =>
 *   agents(req, res, () => res.end(`hello ${agentOf(req).id}`)),
 * )
 * ```
 */
export function expressAgent<
  Req extends NodeRequest = NodeRequest,
  Res extends NodeResponse = NodeResponse,
>({
  rawBody = bytesOf,
  refuse = answer,
  ...options
}: ExpressAgentOptions<Req, Res>): (req: Req, res: Res, next: () => void) => Promise<void> {
  const verify = createAgentVerifier(options)
  return async (req, res, next) => {
    try {
      const agent = await verify(req, { rawBody: rawBody(req) })
      verified.set(req, agent)
      req.agent = agent
    } catch (error) {
      refuse(
        error instanceof AgentError
          ? error
          : new AgentError('verification_failed', { cause: error }),
        req,
        res,
      )
      return
    }
    next()
  }
}

const bytesOf = (req: NodeRequest): Uint8Array | undefined => {
  const bytes = [req.rawBody, req.body].find((one) => one instanceof Uint8Array)
  return bytes ?? (isBodiless(req) ? new Uint8Array() : undefined)
}

/** RFC 9112 §6.3; HTTP/1.1 only, where the parser then finds no body. */
const isBodiless = ({ httpVersionMajor, headers }: NodeRequest): boolean =>
  httpVersionMajor === 1 &&
  headers['transfer-encoding'] === undefined &&
  Number(headers['content-length'] ?? 0) === 0

const answer = (error: AgentError, _: NodeRequest, res: NodeResponse): void => {
  const { status, headers, body } = problemOf(error)
  res.statusCode = status
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  res.end(body)
}
