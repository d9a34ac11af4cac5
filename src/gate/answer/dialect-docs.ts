import type { DIALECTS } from './dialects.ts'

/** Of a row, for people. */
interface DialectDocs {
  readonly clients: string
  /** How a request is recognized. */
  readonly asked: string
  /** What a refusal has that the problem has not. */
  readonly refusal: string
  /** What a cut stream ends with. */
  readonly last: string
}

const TRAILERS = 'a frame of trailers with `grpc-status` and `grpc-message`'
const UNCHANGED = 'as above'

/** The rows of {@link DIALECTS} for people. No part of the Worker's bundle. */
export const DIALECT_DOCS: Readonly<Record<keyof typeof DIALECTS, DialectDocs>> = {
  grpc: {
    clients: '[gRPC](#grpc)',
    asked: 'a POST with `Content-Type: application/grpc`, also with `+proto` or another suffix',
    refusal: 'none: status 200, and the headers `grpc-status` and `grpc-message`',
    last: '–',
  },
  grpcWeb: {
    clients: 'gRPC-web',
    asked: 'a POST with `Content-Type: application/grpc-web`',
    refusal: `status 200, and ${TRAILERS}`,
    last: TRAILERS,
  },
  grpcWebText: {
    clients: 'gRPC-web as text',
    asked: 'a POST with `Content-Type: application/grpc-web-text`',
    refusal: 'the same in Base64',
    last: '–',
  },
  connectStream: {
    clients: 'Connect, streams',
    asked: 'a POST with `Content-Type: application/connect+json` or `connect+proto`',
    refusal: 'status 200, and the end of the stream with `error.code` and `error.message`',
    last: 'the end of the stream with `error.code` and `error.message`',
  },
  connect: {
    clients: 'Connect, other calls',
    asked: '`Connect-Protocol-Version`, or `connect=v1` in the query',
    refusal: '`code` of Connect, and `message`',
    last: '–',
  },
  graphqlParts: {
    clients: 'GraphQL, subscriptions in parts',
    asked: '`Accept` with `subscriptionSpec`, as Apollo Client sends it',
    refusal: 'only `errors[]`; `extensions` has the problem',
    last: 'of `multipart/mixed`: a part with `"payload": null` and `errors[]`, and the last boundary',
  },
  graphql: {
    clients: 'GraphQL',
    asked: 'a path that ends in `/graphql`, or `Accept: application/graphql-response+json`',
    refusal: 'only `errors[]`; `extensions` has the problem',
    last: 'an event `next` with `errors[]`, and an event `complete`',
  },
  a2a: {
    clients: 'A2A over HTTP+JSON',
    asked:
      'a path that ends in `/message:send`, `/message:stream`, `/tasks/{id}:cancel` or `:subscribe`',
    refusal: '`error` has `code` (the HTTP status), `message`, `status`',
    last: 'an event `error` with the same `error`',
  },
  a2aRpc: {
    clients: 'A2A over JSON-RPC',
    asked: 'a POST with the header `A2A-Version`',
    refusal: '`jsonrpc`, and `error` with the code -32000 and `data.code`',
    last: 'the same `error` as an event, with the id of the first event',
  },
  anthropic: {
    clients: 'Anthropic',
    asked: 'a path that ends in `/v1/messages`, or the header `anthropic-version`',
    refusal: '`type` is `"error"`',
    last: 'an event `error` with `type: "error"` and `error`',
  },
  gemini: {
    clients: 'Gemini',
    asked:
      'a path that ends in `:…Content`, `:…Contents` or `:countTokens`, or the header `x-goog-api-client`',
    refusal: '`error` has `code` (the HTTP status), `message`, `status`',
    last: 'an empty event, and an event without a name with the same `error`',
  },
  responses: {
    clients: 'OpenAI, responses',
    asked: 'a path that ends in `/responses` or `/responses/{id}`',
    refusal: UNCHANGED,
    last: 'an event `error` with `type: "error"`, `sequence_number: 0` and `error`',
  },
  openai: {
    clients: 'OpenAI and compatible APIs',
    asked:
      'a path that ends in `/completions`, `/images/generations`, `/images/edits`, `/audio/speech`, `/audio/transcriptions` or `/runs`, or is that of tool outputs of a run',
    refusal: UNCHANGED,
    last: 'an event without a name, with `error`',
  },
  ollama: {
    clients: 'Ollama',
    asked: '`User-Agent: ollama…`',
    refusal: '`error` is the text',
    last: 'a line `{"error":"…"}` with the text. Then the connection is aborted',
  },
  lines: {
    clients: 'any other, lines of JSON',
    asked: '–',
    refusal: UNCHANGED,
    last: 'a line `{"error":{…}}`. Then the connection is aborted',
  },
  otherPost: {
    clients: 'any other, events that answer a POST',
    asked: '–',
    refusal: UNCHANGED,
    last: 'an event `edgewarden.closed`, such as `{"code":"token_revoked"}`. Then the connection is aborted, so that the stream does not look complete',
  },
  other: {
    clients: 'any other, events',
    asked: '–',
    refusal: UNCHANGED,
    last: 'an event `edgewarden.closed`, such as `{"code":"token_revoked"}`',
  },
}
