import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../kit/eventually.ts'
import { type Setting, sharedSetting } from './setting.ts'
import { newAgent, revoke, SSE, STREAMING } from './streaming.ts'

const CLIENTS = 'dev/clients/dialects.mjs'
/** Where `npm run matrix` installs the clients. */
const IS_INSTALLED = existsSync('dev/clients/node_modules/groq-sdk')

/** How many clients ask for a stream. */
const STREAMS = 23

const data = (body: object, name?: string) =>
  `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(body)}\n\n`

const CHUNK = data({
  ...{ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' },
  choices: [{ index: 0, delta: { role: 'assistant', content: 'Hi' }, finish_reason: null }],
})
const CREATED = data(
  {
    ...{ type: 'response.created', sequence_number: 0 },
    response: { id: 'r', object: 'response', created_at: 1, model: 'm', output: [] },
  },
  'response.created',
)
const STARTED = data(
  {
    type: 'message_start',
    message: {
      ...{ id: 'm', type: 'message', role: 'assistant', model: 'm', content: [] },
      ...{ stop_reason: null, stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } },
    },
  },
  'message_start',
)
const MESSAGE = { messageId: '2', contextId: 'c', role: 'ROLE_AGENT', parts: [{ text: 'Hi' }] }
/** A message of gRPC-web or Connect: one field of text. */
const WORD = Buffer.from([0, 0, 0, 0, 4, 0x0a, 2, 0x48, 0x69])
const WORD_JSON = Buffer.concat([Buffer.from([0, 0, 0, 0, 13]), Buffer.from('{"text":"Hi"}')])

/** What an origin answers first, by the end of the path: its Content-Type and its first bytes. */
const FIRST: readonly (readonly [RegExp, string, string | Buffer])[] = [
  [/\/completions$/, SSE['content-type'], CHUNK],
  [/\/responses(?:\/r)?$/, SSE['content-type'], CREATED],
  [/\/runs$/, SSE['content-type'], data({ id: 'r' }, 'thread.run.created')],
  [/\/v1\/messages$/, SSE['content-type'], STARTED],
  [
    /:streamGenerateContent$/,
    SSE['content-type'],
    data({ candidates: [{ content: { role: 'model', parts: [{ text: 'Hi' }] } }] }),
  ],
  [
    /\/api\/chat$/,
    'application/x-ndjson',
    `${JSON.stringify({ model: 'm', created_at: '2026-01-01T00:00:00Z', message: { role: 'assistant', content: 'Hi' }, done: false })}\n`,
  ],
  [
    /\/v2\/chat$/,
    SSE['content-type'],
    data(
      { type: 'message-start', id: '1', delta: { message: { role: 'assistant' } } },
      'message-start',
    ),
  ],
  [/gRPC-web\/kit\.Agents\/Watch$/, 'application/grpc-web+proto', WORD],
  [/Connect\/kit\.Agents\/Watch$/, 'application/connect+json', WORD_JSON],
  [/\/graphql$/, SSE['content-type'], data({ data: { word: 'Hi' } }, 'next')],
  [
    /\/parts$/,
    'multipart/mixed;boundary="graphql";subscriptionSpec=1.0',
    '\r\n--graphql\r\ncontent-type: application/json\r\n\r\n{"payload":{"data":{"word":"Hi"}}}\r\n--graphql',
  ],
  [/\/message:stream$/, SSE['content-type'], data({ message: MESSAGE })],
  [/\/agent$/, SSE['content-type'], data({ jsonrpc: '2.0', id: 1, result: { message: MESSAGE } })],
]

interface Outcome {
  readonly throws?: string
  readonly returns?: string
  readonly hangs?: true
}
type Results = Readonly<Record<string, { readonly refused?: Outcome; readonly cut?: Outcome }>>

const CODES = { refused: 'scope_missing', cut: 'token_revoked' } as const
const KINDS = ['refused', 'cut'] as const

/** What a person reads in an outcome. */
const verdict = (kind: (typeof KINDS)[number], outcome: Outcome | undefined): string => {
  if (!outcome) return '–'
  const { throws, returns = '', hangs } = outcome
  if (hangs) return 'waits'
  const hasCode = (throws ?? returns).includes(CODES[kind])
  if (throws !== undefined) return hasCode ? 'throws, with the code' : 'throws, without the code'
  return hasCode ? 'gets the error as data' : 'looks complete'
}

/** The table of the page for agents. */
const tableOf = (results: Results): string =>
  [
    ['client', 'refused', 'revoked while an answer streams'],
    ['---', '---', '---'],
    ...Object.entries(results).map(([name, outcomes]) => [
      `\`${name}\``,
      ...KINDS.map((kind) => verdict(kind, outcomes[kind])),
    ]),
  ]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('')

let setting: Setting
beforeAll(async () => {
  setting = await sharedSetting({
    ...STREAMING,
    routes: [{ match: 'GET,POST /v1/dialects/*', scopes: ['chat:read'] }],
  })
})

/** What all clients do with a token that is refused, and with one that is revoked while answers stream. */
const runs = async (tries = 3): Promise<Results> => {
  const agent = newAgent()
  const { origin, gate } = setting
  origin.clear()
  origin.on('*', (_req, res, { url }) => {
    const path = decodeURIComponent(url.replace(/\?.*/, ''))
    const [, type = 'text/html', first = ''] = FIRST.find(([end]) => end.test(path)) ?? []
    res.writeHead(200, { 'content-type': type }).write(first)
  })
  const [refused, revoked] = await Promise.all(
    ['', 'chat:read'].map((scope) => setting.token({ client_id: agent, scope, exp: later() })),
  )
  const base = `${gate.url}/v1/dialects`
  const running = promisify(execFile)(process.execPath, [CLIENTS, base, `${refused}`, `${revoked}`])
  await Promise.race([running, eventually(() => expect(origin.requests).toHaveLength(STREAMS))])
  await revoke(setting, agent)
  const { stdout } = await running
  const isLate = stdout.includes('revocations_unavailable') && tries > 1
  return isLate ? runs(tries - 1) : JSON.parse(stdout.split('\n').at(-1) ?? '')
}

const later = () => Math.floor(Date.now() / 1000) + 600

describe.skipIf(!IS_INSTALLED)('clients of other dialects', () => {
  it('do what the page for agents says', async () => {
    expect(await readFile('docs/agents.md', 'utf8')).toContain(tableOf(await runs()))
  })
})
