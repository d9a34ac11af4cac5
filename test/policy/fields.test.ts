import { expect, it } from 'vitest'
import { CHAT, GATE, mistakes, policy, type Vars } from './support.ts'

const gate = (change: object): Vars => ({ GATE: { ...GATE, ...change } })
const chat = (change: object): Vars => ({ ROUTES: [{ ...CHAT, ...change }] })
const cors = (change: object): Vars => chat({ cors: { origins: ['https://a.example'], ...change } })

it.each<[string, Vars, RegExp]>([
  ['removed from requests', gate({ strip_headers: ['x-internal-*'] }), /write each name whole/],
  ['removed from requests, all', gate({ strip_headers: ['*'] }), /write each name whole/],
  [
    'removed from answers',
    chat({ remove_response_headers: ['x-debug-*'] }),
    /write each name whole/,
  ],
  ['allowed across origins', cors({ headers: ['x-*'] }), /write each name whole/],
  ['exposed across origins', cors({ expose: ['x-*'] }), /write each name whole/],
  ['of the caller', gate({ client_ip: 'x-*' }), /must be a header name/],
  ['of the workflow', chat({ workflow: 'header:x-*' }), /not a header name/],
])('a header name with * is a mistake: %s', (_, vars, says) => {
  expect(mistakes(vars)).toEqual([expect.stringMatching(says)])
})

it('headers of cors may be all of them', () => {
  const [route] = policy(cors({ headers: ['*'], expose: ['*'] })).routes
  expect(route?.cors?.headers).toEqual(['*'])
  expect(route?.cors?.expose).toContain('*')
})
