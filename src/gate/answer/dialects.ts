import type { Denial } from '../base/denial.ts'
import { type HeaderReader, isGrpcCall, type RequestHead, readAddress } from '../base/request.ts'
import { errorOf, messageOf, type Refused } from './problem.ts'
import { connectError, endOfStream, googleError, grpcStatus, trailers } from './rpc.ts'

/** What a row reads of a request to recognize its clients. */
interface Asked {
  readonly method: string
  readonly path: string
  readonly query: string
  /** A header, or an empty text. */
  readonly header: (name: string) => string
}

/** What the clients of one API are told, in the form on which they throw. */
interface Dialect {
  readonly isOf: (asked: Asked) => boolean
  /** The body of a refusal; absent: the problem as it is. */
  readonly refusal?: (denial: Denial, problem: object, asked: Asked) => Refused
  /** The Content-Type of streams that can end in this form. */
  readonly streams?: RegExp
  /**
   * The last of a cut stream. The stream may be cut within an event, line or message. `beginning`: its first
   * {@link BEGINNING} bytes, if the row `needsBeginning`. `type`: its Content-Type.
   */
  readonly last?: (
    denial: Denial,
    beginning: string,
    type: string,
  ) => string | Uint8Array<ArrayBuffer>
  readonly needsBeginning?: boolean
  /**
   * Whether the stream is frames of flags (a byte), length (four bytes) and content. Within a frame the last one would
   * become content, so the stream breaks off there.
   */
  readonly isFramed?: boolean
  /** Whether an error follows it, so that the stream never looks complete. */
  readonly breaks?: boolean
}

/** Bytes of a stream that a row can read. */
export const BEGINNING = 1024

const EVENTS = /^\s*text\/event-stream\s*(?:;|$)/i
const LINES = /^\s*application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines)\s*(?:;|$)/i
const GRPC_WEB = /^\s*application\/grpc-web(?!-text)/i
const GRPC_WEB_TEXT = /^\s*application\/grpc-web-text/i
const PARTS = /^\s*multipart\/mixed\s*;/i
const BOUNDARY = /;\s*boundary="?([^";,\s]+)/i
const CONNECT_STREAM = /^\s*(application\/connect\+(?:json|proto))/i
/** Paths of OpenAI that answer with events, and those of runs of assistants. */
const OPENAI_PATH =
  /\/(?:completions|images\/(?:generations|edits)|audio\/(?:speech|transcriptions))$/
const RUNS_PATH = /\/threads\/(?:[^/]+\/)?runs(?:\/[^/]+\/submit_tool_outputs)?$/
const GRAPHQL = 'application/graphql-response+json'

/** A server-sent event. */
export function eventText(data: object, name?: string): string {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`
}

/**
 * A last event. The comment in front ends a line that was cut. It begins no message, while a blank
 * line does for some clients.
 */
export function lastEvent(data: object, name?: string): string {
  return `:\n${eventText(data, name)}`
}

/** Whether an answer is a stream of server-sent events, by its Content-Type. */
export function isEventStream(headers: HeaderReader): boolean {
  return EVENTS.test(headers.get('content-type') ?? '')
}

const json = (body: object, type = 'application/json'): Refused => ({
  body: JSON.stringify(body),
  type,
})

const trailersText = (denial: Denial): string => btoa(String.fromCharCode(...trailers(denial)))

/** Both protocols tell the status of a call in the body of a 200. */
const called = (body: Refused['body'], type: string): Refused => ({ body, type, status: 200 })

const googleRefusal = (denial: Denial, problem: object): Refused =>
  json({ ...problem, error: googleError(denial) })

/** GraphQL over HTTP allows no members beside `errors`. */
const graphqlErrors = (denial: Denial, extensions: object) => ({
  errors: [{ message: messageOf(denial), extensions }],
})

const graphqlRefusal = (denial: Denial, problem: object, { header }: Asked): Refused =>
  json(
    graphqlErrors(denial, problem),
    header('accept').includes(GRAPHQL) ? GRAPHQL : 'application/json',
  )

/** Clients of A2A give the codes from -32001 to -32009 a meaning of their own. */
const rpcError = (denial: Denial, id: unknown) => ({
  jsonrpc: '2.0',
  id,
  error: { code: -32000, message: messageOf(denial), data: { code: denial.code } },
})

/** The id of the response in a first event, where it is JSON without escapes. */
const RPC_ID =
  /^data:\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*("[\w.:-]*"|0|[1-9]\d{0,15})\s*[,}]/m

const openaiError = (denial: Denial) => ({ error: errorOf(denial) })

/** The dialects. The first one counts that is of the request, and, for a stream, of its Content-Type. */
export const DIALECTS = {
  // "Trailers-Only" of gRPC: the status is in the headers, and no body follows.
  grpc: {
    isOf: ({ method, header }) => isGrpcCall(method, header('content-type')),
    refusal: (denial) => ({ ...called('', 'application/grpc'), headers: grpcStatus(denial) }),
  },
  grpcWeb: {
    isOf: ({ method, header }) => method === 'POST' && GRPC_WEB.test(header('content-type')),
    refusal: (denial) => called(trailers(denial), 'application/grpc-web+proto'),
    streams: GRPC_WEB,
    last: trailers,
    isFramed: true,
  },
  grpcWebText: {
    isOf: ({ method, header }) => method === 'POST' && GRPC_WEB_TEXT.test(header('content-type')),
    refusal: (denial) => called(trailersText(denial), 'application/grpc-web-text+proto'),
  },
  connectStream: {
    isOf: ({ method, header }) => method === 'POST' && CONNECT_STREAM.test(header('content-type')),
    refusal: (denial, _problem, { header }) =>
      called(endOfStream(denial), CONNECT_STREAM.exec(header('content-type'))?.[1] ?? ''),
    streams: CONNECT_STREAM,
    last: endOfStream,
    isFramed: true,
  },
  connect: {
    isOf: ({ query, header }) =>
      header('connect-protocol-version') !== '' || /[?&]connect=v1(?:&|$)/.test(query),
    refusal: (denial, problem) => json({ ...problem, ...connectError(denial) }),
  },
  // Subscriptions of Apollo. A part with a payload of null ends them.
  graphqlParts: {
    isOf: ({ header }) => header('accept').includes('subscriptionSpec'),
    refusal: graphqlRefusal,
    streams: PARTS,
    last(denial, _beginning, type) {
      const limit = `\r\n--${BOUNDARY.exec(type)?.[1] ?? '-'}`
      const errors = { payload: null, ...graphqlErrors(denial, { code: denial.code }) }
      return `${limit}\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(errors)}${limit}--\r\n`
    },
  },
  graphql: {
    isOf: ({ path, header }) => path.endsWith('/graphql') || header('accept').includes(GRAPHQL),
    refusal: graphqlRefusal,
    streams: EVENTS,
    last: (denial) =>
      `${lastEvent(graphqlErrors(denial, { code: denial.code }), 'next')}event: complete\ndata:\n\n`,
  },
  a2a: {
    isOf: ({ path }) =>
      /\/message:(?:send|stream)$|\/tasks\/[^/]+:(?:cancel|subscribe)$/.test(path),
    refusal: googleRefusal,
    streams: EVENTS,
    last: (denial) => lastEvent({ error: googleError(denial) }, 'error'),
  },
  a2aRpc: {
    isOf: ({ method, header }) => method === 'POST' && header('a2a-version') !== '',
    refusal: (denial, problem) => json({ ...problem, ...rpcError(denial, null) }),
    streams: EVENTS,
    last: (denial, beginning) =>
      lastEvent(rpcError(denial, JSON.parse(RPC_ID.exec(beginning)?.[1] ?? 'null'))),
    needsBeginning: true,
  },
  anthropic: {
    isOf: ({ path, header }) => /\/v1\/messages$/.test(path) || header('anthropic-version') !== '',
    refusal: (_denial, problem) => json({ ...problem, type: 'error' }),
    streams: EVENTS,
    last: (denial) => lastEvent({ type: 'error', ...openaiError(denial) }, 'error'),
  },
  gemini: {
    isOf: ({ path, header }) =>
      /:(?:\w*Contents?|countTokens)$/.test(path) || header('x-goog-api-client') !== '',
    refusal: googleRefusal,
    streams: EVENTS,
    // @google/genai does not read an event that begins with a comment.
    last: (denial) => `\n\n${eventText({ error: googleError(denial) })}`,
  },
  responses: {
    isOf: ({ path }) => /\/responses(?:\/[^/]+)?$/.test(path),
    streams: EVENTS,
    last: (denial) =>
      lastEvent({ type: 'error', sequence_number: 0, ...openaiError(denial) }, 'error'),
  },
  openai: {
    isOf: ({ path }) => OPENAI_PATH.test(path) || RUNS_PATH.test(path),
    streams: EVENTS,
    last: (denial) => lastEvent(openaiError(denial)),
  },
  ollama: {
    isOf: ({ header }) => /^ollama\b/i.test(header('user-agent')),
    refusal: (denial, problem) => json({ ...problem, error: messageOf(denial) }),
    streams: LINES,
    last: (denial) => `${JSON.stringify({ error: messageOf(denial) })}\n`,
    breaks: true,
  },
  lines: {
    isOf: () => true,
    streams: LINES,
    last: (denial) => `\n${JSON.stringify(openaiError(denial))}\n`,
    breaks: true,
  },
  otherPost: {
    isOf: ({ method }) => method === 'POST',
    streams: EVENTS,
    last: ({ code }) => lastEvent({ code }, 'edgewarden.closed'),
    breaks: true,
  },
  other: {
    isOf: () => true,
    streams: EVENTS,
    last: ({ code }) => lastEvent({ code }, 'edgewarden.closed'),
  },
} as const satisfies Readonly<Record<string, Dialect>>

const ROWS: readonly Dialect[] = Object.values(DIALECTS)

const askedBy = (request: RequestHead): Asked => {
  const address = readAddress(request)
  return {
    method: request.method,
    path: address.ok ? address.value.path : '',
    query: address.ok ? address.value.query : '',
    header: (name) => request.headers.get(name) ?? '',
  }
}

/** The form of a refusal for the client that sent a request; `undefined`: the problem as it is. */
export function refusalFor(
  request: RequestHead,
  denial: Denial,
): ((problem: object) => Refused) | undefined {
  const asked = askedBy(request)
  const { refusal } = ROWS.find(({ isOf }) => isOf(asked)) ?? {}
  return refusal && ((problem) => refusal(denial, problem, asked))
}

/** How a stream of this Content-Type ends for the client that sent a request; `undefined`: it breaks off. */
export function endingFor(request: RequestHead, type: string): Ending | undefined {
  const asked = askedBy(request)
  return ROWS.find((row): row is Ending => row.streams?.test(type) === true && row.isOf(asked))
}

type Ending = Dialect & Required<Pick<Dialect, 'last'>>
