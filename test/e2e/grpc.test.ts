import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { grpcError } from '../kit/grpc.ts'
import { type Front, startFront } from '../kit/h2-front.ts'
import { rawRequest, sendRaw } from '../kit/raw.ts'
import { HOST, type Setting, startSetting } from './setting.ts'

let setting: Setting
let front: Front

beforeAll(async () => {
  setting = await startSetting({
    routes: [
      { match: 'GET,POST /v1/*', scopes: [] },
      { match: 'POST /shadow/*', scopes: ['never:given'], mode: 'shadow' },
      { match: 'POST /public/*', access: 'public' },
    ],
  })
  front = await startFront(setting.gate.port, HOST)
})
beforeEach(() => setting.origin.clear())
afterAll(async () => {
  await front?.close()
  await setting?.close()
})

const UNSUPPORTED =
  'This gate does not forward native gRPC. Call the API by gRPC-web or Connect, if it has them: gRPC needs HTTP trailers, which the gate cannot forward (grpc_unsupported)'

describe('a native gRPC client behind a proxy that speaks HTTP/2', () => {
  it.each([
    ['a call', '/v1/kit.Agents/Get', {}],
    ['a stream', '/v1/kit.Agents/Watch', { isStream: true }],
    ['a call to a rule in shadow mode', '/shadow/kit.Agents/Get', {}],
    ['a call to a public rule', '/public/kit.Agents/Get', {}],
    ['a call that no rule matches', '/kit.Agents/Get', {}],
  ])('is told that it is not supported: %s', async (_name, method, how) => {
    for (const token of [await setting.token(), undefined]) {
      const { code, details, metadata } = await grpcError(front.port, method, { ...how, token })
      expect([code, details]).toEqual([status.UNIMPLEMENTED, UNSUPPORTED])
      expect(metadata.get('x-request-id')).toHaveLength(1)
    }
    expect(setting.origin.requests).toEqual([])
  })

  it('is told of another refusal in the same form', async () => {
    const { code, details } = await grpcError(front.port, '/v1/../kit.Agents/Get')
    expect([code, details]).toEqual([
      status.INVALID_ARGUMENT,
      expect.stringMatching(/\(path_ambiguous\)$/),
    ])
  })
})

it('a native gRPC client that calls workerd itself sees the connection close', async () => {
  const { code } = await grpcError(setting.gate.port, '/v1/kit.Agents/Get')
  expect(code).toBe(status.UNAVAILABLE)
})

describe('a request', () => {
  const send = async (method: string, type: string) => {
    const answer = await sendRaw(
      setting.gate.port,
      rawRequest({
        method,
        target: '/v1/kit.Agents/Get',
        headers: [
          ['Host', HOST],
          ['Authorization', `Bearer ${await setting.token()}`],
          ['Content-Type', type],
          ['X-Request-Id', `grpc-${type.length}-${method}`],
        ],
        ...(method === 'POST' && { body: '\0\0\0\0\0' }),
      }),
    )
    return answer
  }

  it.each([
    'application/grpc',
    'application/grpc+proto',
    'application/grpc+json; charset=utf-8',
    'APPLICATION/GRPC;x',
    'application/grpc , text/plain',
  ])('in %s is refused with one block of headers', async (type) => {
    const answer = await send('POST', type)
    expect(answer.status).toBe(200)
    expect(answer.body).toBe('')
    expect(answer.complete).toBe(true)
    const heads = ['content-type', 'grpc-status', 'content-length', 'cache-control'] as const
    expect(heads.map((name) => answer.header(name))).toEqual([
      'application/grpc',
      '12',
      '0',
      'no-store',
    ])
    expect(answer.header('grpc-message')).toBe(UNSUPPORTED)
    expect(setting.origin.requests).toEqual([])
    const line = await setting.gate.journalLine(
      ({ request_id: id }) => id === `grpc-${type.length}-POST`,
    )
    expect(line).toMatchObject({ decision: 'denied', code: 'grpc_unsupported' })
  })

  it.each([
    ['POST', 'application/grpc-web+proto'],
    ['POST', 'application/grpcx'],
    ['POST', 'text/plain, application/grpc'],
    ['GET', 'application/grpc'],
  ])('%s in %s is none of gRPC', async (method, type) => {
    expect((await send(method, type)).status).toBe(200)
    expect(setting.origin.requests).toHaveLength(1)
  })
})
