import { expect, it } from 'vitest'
import { mcpWalk } from '../../examples/demo/mcp-walk.ts'
import { startOrigin } from '../kit/origin.ts'

const RESULTS: Readonly<Record<string, readonly [status: number, answer: object]>> = {
  initialize: [
    200,
    {
      result: {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'x', version: '1' },
      },
    },
  ],
  'tools/list': [
    201,
    { result: { tools: [{ name: 'get_weather', inputSchema: { type: 'object' } }] } },
  ],
  'tools/call': [203, { error: { code: -32003, message: 'no', data: { code: 'why' } } }],
}

it('tells the statuses that were seen, and expects 200', async () => {
  const origin = await startOrigin()
  origin.on('/mcp', async (req, res, recorded) => {
    if (req.method !== 'POST') return void res.writeHead(405).end()
    await recorded.finished()
    const { id, method } = JSON.parse(recorded.body ?? '') as { id?: number; method: string }
    const found = RESULTS[method]
    if (!found) return void res.writeHead(202).end()
    res.writeHead(found[0], { 'content-type': 'application/json' })
    res.end(JSON.stringify({ jsonrpc: '2.0', id, ...found[1] }))
  })
  const client = { clientId: 'x', clientSecret: 'y' }
  const steps = []
  const walk = mcpWalk({ url: `${origin.url}/mcp`, issuer: 'https://as.example', client })
  for await (const { status, reason, asExpected } of walk) {
    steps.push([status, reason, asExpected])
  }
  expect(steps).toEqual([
    [201, 'allowed', false],
    [203, 'why', false],
    [203, 'why', false],
  ])
  await origin.close()
})
