import { expect, it } from 'vitest'
import { operation } from '../../src/stages/operation.ts'
import { requestTo } from '../kit/facts.ts'

it.each(['GET', 'POST', 'DELETE'])('is the method %s, whatever a header says', async (method) => {
  const headers = { 'x-http-method-override': 'PUT' }
  const request = requestTo('https://api.example.com/x', { method, headers })
  expect(await operation.run({ request }, undefined)).toEqual({
    ok: true,
    value: { operation: { kind: 'http', method } },
  })
})

it('reads no body', async () => {
  const request = new Request('https://api.example.com/x', { method: 'POST', body: 'x' })
  await operation.run({ request }, undefined)
  expect(request.bodyUsed).toBe(false)
})
