import { beforeAll, beforeEach, expect, it } from 'vitest'
import { type Ask, RESOURCE, sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

let world: World
let token: string
beforeAll(async () => {
  world = await sharedWorld(WORLD)
  token = await world.token({ workflow_id: 'mine', aud: [RESOURCE, `${RESOURCE}/q/mcp`] })
})
beforeEach(() => world.origin.clear())

const send = async (request: Ask) => {
  const { status, body } = await world.send({ token, ...request })
  if (status === 200) return 'passed'
  const { code, error } = JSON.parse(body)
  return code ?? error.data.code
}
const post = (target: string): Ask => ({ method: 'POST', target })
const reading = (rest: string): Ask => ({
  ...post('/q/mcp'),
  body: JSON.stringify({
    ...{ jsonrpc: '2.0', id: 1, method: 'resources/read' },
    params: { uri: `file:///docs/${rest}` },
  }),
})
const run = (value: string): Ask => ({ target: '/h/run', headers: [['X-Run', value]] })
const FILLERS = Array.from({ length: 1_000 }, (_, i) => `f${i}=`).join('&')
/** Each segment is read otherwise by other servers. */
const MIXED = Array.from({ length: 380 }, (_, i) => {
  const ends = ['.%20%3Bx', '::.+', '%E2%80%8B.', '.a%3Bb%20', ':$%EF%BC%8E']
  return `%EF%BD%81${i}${ends[i % ends.length]}`
}).join('/')

/** What came over HTTP, byte for byte; the second implementation judges many more of each kind. */
it.each<[code: string, ask: Ask]>([
  ['passed', { target: '/q/run?x=1&y%5Ba%5D=2&run=mine&q=a+b%26run' }],
  ['parameter_ambiguous', { target: '/q/run?run=mine&%5Brun%5D=theirs' }],
  ['parameter_ambiguous', { target: '/q/run?run=mine;run=theirs' }],
  ['parameter_ambiguous', { target: '/q/run?run=mine&x=%FF' }],
  ['parameter_ambiguous', { target: `/q/run?${FILLERS}&run=mine` }],
  ['passed', { target: '/q/any?[run]=1&run=2;x&%&%FF&=' }],
  ['credential_in_query', { target: '/q/any?a;access_token=x' }],
  ['credential_in_query', { target: '/open/any?[access_token]=x', token: '' }],
  ['passed', { target: '/q/any?accessToken=x&token=x&access_tokens=x' }],
  ['method_ambiguous', post('/q/any?_method=DELETE')],
  ['method_ambiguous', post('/q/any?_method=GET&_method=POST')],
  ['passed', post('/q/any?_method=get')],
  ['passed', post('/q/every?_method=DELETE')],
  ['passed', reading('caf%C3%A9')],
  ['resource_not_allowed', reading('secret;v=1')],
  ['resource_not_allowed', reading('.%E2%80%8B./etc/x')],
  ['resource_not_allowed', reading('%EF%BC%852Fetc')],
  ['path_ambiguous', { target: '/r/admin%E2%80%8B' }],
  ['path_ambiguous', { target: '/r/%EF%BC%8E%EF%BC%8E/r/admin' }],
  ['path_ambiguous', { target: '/r/admin::$DATA' }],
  ['path_ambiguous', { target: '/r/admin:$I30:$INDEX_ALLOCATION' }],
  ['path_ambiguous', { target: '/r/(S(abc))/admin' }],
  ['path_ambiguous', { target: '/r/(X(1))/admin' }],
  ['path_ambiguous', { target: '/r/files/..%3B/later' }],
  ['path_ambiguous', { target: `/r/${MIXED}`, token: '' }],
  ['path_ambiguous', { target: `/r/${MIXED}?${'_method=GET&'.repeat(25)}`, token: '' }],
  ['route_unknown', { target: `/.edgewarden/${MIXED}` }],
  ['passed', { target: '/r/report.json' }],
  ['passed', { target: '/r/admin:generate' }],
  ['credential_malformed', { target: `/r/${'a%20b/'.repeat(1_300)}x`, token: '' }],
  ['passed', { target: '/w/admin::$DATA' }],
  ['passed', { target: `/w/${MIXED}` }],
  ['passed', run('mine')],
  ['workflow_mismatch', run('m%69ne')],
  ['parameter_ambiguous', run('min\xe9')],
])(
  '%s: what readers read differently is refused, and the rest goes on as it is: %#',
  async (code, ask) => {
    expect(await send(ask)).toBe(code)
    const urls = world.origin.requests.map(({ url }) => url)
    expect(urls).toEqual(code === 'passed' ? [ask.target] : [])
  },
)
