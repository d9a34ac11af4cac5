import {
  AgentError,
  type AgentRequest,
  createAgentVerifier,
  problemOf,
  type VerifiedAgent,
  type VerifyOptions,
} from './index.ts'

/** A request of Node's http or of Express, as far as it is read. */
export interface NodeRequest extends AgentRequest {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly httpVersionMajor?: number
  /** Bytes where `express.raw` has read it. */
  readonly body?: unknown
  /** What a `verify` of `express.json` may have kept. */
  readonly rawBody?: unknown
  agent?: VerifiedAgent
}

/** A response of Node's http or of Express, as far as it is written. */
export interface NodeResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(text: string): unknown
}

/** What {@link expressAgent} verifies, and how it answers. */
export interface ExpressAgentOptions<Req extends NodeRequest, Res extends NodeResponse>
  extends VerifyOptions {
  /** The body's bytes as they were sent; by default `req.rawBody`, then `req.body`, if it is bytes. */
  readonly rawBody?: (req: Req) => Uint8Array | undefined
  /** Answers a refused request; by default with problem details. */
  readonly refuse?: (error: AgentError, req: Req, res: Res) => void
}

const verified = new WeakMap<object, VerifiedAgent>()

/** Who sent a request that {@link expressAgent} let through. Throws for any other. */
export function agentOf(req: object): VerifiedAgent {
  const agent = verified.get(req)
  if (!agent) throw new AgentError('verification_failed', { detail: 'expressAgent did not run' })
  return agent
}

/**
 * `verifyAgent` as middleware of Express, or around a handler of Node's http: sets `req.agent` and
 * calls `next()`; a request that is refused is answered, and `next` is not called at all. An
 * assertion that is bound to the body needs the body's bytes, read before it. Throws a `TypeError`
 * for options that make no sense.
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
  if (bytes instanceof Uint8Array) return bytes
  return isBodiless(req) ? new Uint8Array() : undefined
}

/** RFC 9112 §6.3: of HTTP/1.1 only, whose parser then takes nothing for a body. */
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
