import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, inject, it, onTestFinished } from 'vitest'
import { createDice, type Dice } from '../differential/dice.ts'
import { createProofKey, type ProofKey, proofOf } from '../kit/dpop.ts'
import type { Gate } from '../kit/gate.ts'
import { JSON_TYPE, MCP } from './mcp-asking.ts'
import { askGate, RESOURCE, type SettingOptions, startSetting } from './setting.ts'

const OPTIONS: SettingOptions = {
  routes: [
    { match: 'POST /v1/*', scopes: [], approval: { headers: ['x-tenant'] } },
    {
      match: 'POST /mcp',
      resource: MCP,
      scopes: [],
      mcp: { tools: { pay: { scopes: [], approval: {} }, send: { scopes: [], approval: {} } } },
    },
  ],
  issuer: { admin: 'all', agent_prefix: 'acme/' },
  others: {
    people: {
      issuer: 'https://people.example',
      ...{ agent_prefix: 'people/', admin: 'all', rules: false, person: { client_id: 'gate' } },
    },
  },
  gate: { console: { host: 'ops.example.com' }, clock_tolerance: '0s' },
  reaching: true,
}

const BOB = { issuer: 'https://people.example', subject: 'bob' }

interface Asked {
  readonly id: string
  readonly state: string
}

const storeOf = (gate: Gate) => {
  const call = <Answer>(method: string, ...given: unknown[]) =>
    gate.call('APPROVALS', 'approvals', method, ...given) as Promise<Answer>
  const decide = (id: string, decision: object) =>
    call('decide', id, { by: BOB, digest: 'shown', ...decision })
  return {
    grant: (id: string) => decide(id, { state: 'granted' }),
    refuse: (id: string) => decide(id, { state: 'refused', reason: 'no' }),
    get: (id: string) => call<Asked>('get', id),
    list: async () =>
      (await call<{ readonly approvals: readonly Asked[] }>('list', { state: 'waiting' }))
        .approvals,
  }
}

/** The id of the approval that an answer names; `undefined` if the call went through or was refused for another reason. */
const idIn = async (answer: Response): Promise<string | undefined> =>
  /approvals\/([0-9a-f-]{36})/.exec(await answer.text())?.[1]

/** A call, in the parts of which one is changed. */
interface Call {
  path: string
  headers: Record<string, string>
  /** Arguments as source text, each with its name. */
  args: [name: string, value: string][]
  tool: string
  claims: Record<string, unknown>
  key: number | undefined
  isMcp: boolean
}

const WORDS = ['Zo\u00eb', 'a b', 'DE02 1203', '', '\u{1f600}', 'true']

function callOf(dice: Dice, agent: string): Call {
  const isMcp = dice.chance(0.5)
  return {
    isMcp,
    path: isMcp ? '/mcp?b=1&a=2' : `/v1/${dice.pick(['pay', 'send/7', 'x.json'])}?b=1&a=2`,
    headers: { ...JSON_TYPE, 'x-tenant': 'one', accept: 'application/json, text/event-stream' },
    args: [
      ['amount', String(1 + dice.below(900))],
      ['to', JSON.stringify(`Zo\u00eb ${dice.pick(WORDS)}`)],
      ...(dice.chance(0.5)
        ? [['list', `[${dice.below(9)},{"deep":"${dice.pick(WORDS)}"}]`] as [string, string]]
        : []),
    ],
    tool: 'pay',
    claims: { client_id: agent, sub: 'alice', act: { sub: 'helper' }, aud: isMcp ? MCP : RESOURCE },
    key: dice.chance(0.3) ? 0 : undefined,
  }
}

/** The arguments with the value of one written in another way. */
const written = (call: Call, name: string, write: (value: string) => string): Call => ({
  ...call,
  args: call.args.map(([one, value]) => [one, one === name ? write(value) : value]),
})

/** Each changes a call in one place. */
const CHANGES: Readonly<Record<string, (call: Call) => Call>> = {
  argument: (call) => written(call, 'amount', (value) => `${value}0`),
  'order of keys': (call) => ({ ...call, args: [...call.args].reverse() }),
  'unicode form': (call) => written(call, 'to', (value) => value.normalize('NFD')),
  'spelling of a text': (call) => written(call, 'to', (value) => value.replace('Z', '\\u005a')),
  'white space in a text': (call) => written(call, 'to', (value) => value.replace('Z', ' Z')),
  'spelling of a number': (call) => written(call, 'amount', (value) => `${value}.0`),
  'exponent of a number': (call) => written(call, 'amount', (value) => `${value}e0`),
  'duplicate key': (call) => ({ ...call, args: [...call.args, ['amount', '1']] }),
  'escaped duplicate key': (call) => ({ ...call, args: [...call.args, ['\\u0061mount', '1']] }),
  'key in another case': (call) => ({ ...call, args: [...call.args, ['Amount', '1']] }),
  'one more': (call) => ({ ...call, args: [...call.args, ['more', 'null']] }),
  'one less': (call) => ({ ...call, args: call.args.slice(1) }),
  tool: (call) => (call.isMcp ? { ...call, tool: 'send' } : { ...call, path: `${call.path}&c=3` }),
  path: (call) => ({ ...call, path: call.path.replace('/mcp', '/v1/mcp').replace('/v1', '/v1/1') }),
  'slash at the end': (call) => ({ ...call, path: call.path.replace('?', '/?') }),
  'order of the query': (call) => ({ ...call, path: call.path.replace('b=1&a=2', 'a=2&b=1') }),
  'escape in the query': (call) => ({ ...call, path: call.path.replace('b=1', 'b=%31') }),
  'bound header': (call) =>
    call.isMcp
      ? { ...call, path: `${call.path}&` }
      : { ...call, headers: { ...call.headers, 'x-tenant': 'two' } },
  'content type': (call) => ({
    ...call,
    headers: { ...call.headers, 'content-type': 'application/json; charset=utf-8' },
  }),
  coding: (call) => ({ ...call, headers: { ...call.headers, 'content-encoding': 'identity' } }),
  agent: (call) => ({ ...call, claims: { ...call.claims, client_id: 'somebody-else' } }),
  subject: (call) => ({ ...call, claims: { ...call.claims, sub: 'bob' } }),
  actor: (call) => ({ ...call, claims: { ...call.claims, act: { sub: 'other' } } }),
  'no actor': ({ claims: { act: _, ...claims }, ...call }) => ({ ...call, claims }),
  workflow: (call) => ({ ...call, claims: { ...call.claims, workflow_id: 'run-1' } }),
  key: (call) => ({ ...call, key: call.key === undefined ? 0 : 1 }),
}

const bodyOf = ({ args, tool, isMcp }: Call, id: number) => {
  const text = `{${args.map(([name, value]) => `"${name}":${value}`).join(',')}}`
  if (!isMcp) return text
  // What belongs to one attempt differs each time.
  const meta = `"_meta":{"progressToken":${id}}`
  return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${tool}",${meta},"arguments":${text}}}`
}

/*
 * 300 pairs: each is some six requests. The digest alone is tried with 20,000 pairs, also of other policies and rules, in
 * test/gate/guard/operation/approval-digest.test.ts.
 */
const PAIRS = 300

it(`of ${PAIRS} pairs of calls that differ in one place an approval of one never lets the other through`, async () => {
  const setting = await startSetting(OPTIONS)
  onTestFinished(() => setting.close())
  const { grant, refuse, list } = storeOf(setting.gate)
  const { seed } = inject('trying')
  const keys: ProofKey[] = await Promise.all([createProofKey(), createProofKey()])
  let sent = 0
  const send = async (call: Call) => {
    const { path, headers, claims } = call
    const key = call.key === undefined ? undefined : keys[call.key]
    const token = await setting.token({ ...claims, ...(key && { cnf: { jkt: key.jkt } }) })
    const url = `${RESOURCE}${path.split('?')[0]}`
    return askGate(setting.gate, path, {
      method: 'POST',
      body: bodyOf(call, ++sent),
      headers: {
        ...headers,
        ...(call.isMcp && { 'mcp-protocol-version': '2025-11-25' }),
        authorization: `${key ? 'DPoP' : 'Bearer'} ${token}`,
        ...(key && { dpop: await proofOf(key, { token, method: 'POST', url }) }),
      },
    })
  }
  const names = Object.keys(CHANGES)
  for (let number = 0; number < PAIRS; number++) {
    const dice = createDice(seed, number)
    const name = names[number % names.length] ?? ''
    const call = callOf(dice, `agent-${number}`)
    const other = CHANGES[name]?.(call)
    const about = `${name}, seed ${seed}, number ${number}`
    if (!other) throw new Error(`no change ${name}`)
    setting.origin.clear()
    const id = await idIn(await send(call))
    expect(id, about).toBeDefined()
    await grant(id ?? '')
    expect(await idIn(await send(other)), about).not.toBe(id)
    expect(setting.origin.requests, about).toHaveLength(0)
    expect((await send(call)).status, about).toBe(200)
    expect(setting.origin.requests, about).toHaveLength(1)
    expect(await idIn(await send(call)), about).not.toBe(id)
    expect(setting.origin.requests, about).toHaveLength(1)
    for (const waiting of await list()) await refuse(waiting.id)
  }
})

const CALLS = 200
const COPIES = 50

/** Sends calls that differ in their path. */
const refunds = (token: string) => {
  const send = (gate: Gate, i: number) =>
    askGate(gate, `/v1/refund-${i}`, { method: 'POST', body: '{}', token, headers: JSON_TYPE })
  const asked = async (gate: Gate, i: number) => {
    const id = await idIn(await send(gate, i))
    if (id === undefined) throw new Error(`call ${i} does not wait`)
    return id
  }
  return { send, asked }
}

it(`of ${COPIES} copies of each of ${CALLS} calls exactly one is forwarded, while they race with the person`, async () => {
  const setting = await startSetting(OPTIONS)
  onTestFinished(() => setting.close())
  const { gate, origin } = setting
  const { grant, refuse, list } = storeOf(gate)
  const through: number[] = []
  for (let i = 0; i < CALLS; i++) {
    // An agent has 60 asks in an hour: each call takes two.
    const own = refunds(await setting.token({ client_id: `agent-${i % 20}` }))
    origin.clear()
    const id = await own.asked(gate, i)
    const copies = Array.from({ length: COPIES }, () => own.send(gate, i))
    await grant(id)
    await Promise.all(copies)
    // All copies may have been earlier than the person.
    if (origin.requests.length === 0) await own.send(gate, i)
    through.push(origin.requests.length)
    for (const waiting of await list()) await refuse(waiting.id)
  }
  expect(through).toEqual(Array(CALLS).fill(1))
})

const ROUNDS = 4
const CALLS_OF_ROUND = 15

it('a process that is killed forwards no call twice, and keeps what was granted and not taken', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-approvals-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const setting = await startSetting(OPTIONS)
  onTestFinished(() => setting.close())
  const { origin } = setting
  const dice = createDice(inject('trying').seed, 1)
  const arrived = (i: number) =>
    origin.requests.filter(({ url }) => url === `/v1/refund-${i}`).length
  let kept = 0
  for (let round = 0; round < ROUNDS; round++) {
    const { send, asked } = refunds(await setting.token({ client_id: `agent-${round}` }))
    const calls = Array.from({ length: CALLS_OF_ROUND }, (_, k) => round * CALLS_OF_ROUND + k)
    const first = await setting.another({ ...OPTIONS, dataDir })
    const ids: string[] = []
    for (const i of calls) {
      const id = await asked(first, i)
      await storeOf(first).grant(id)
      ids.push(id)
    }
    // It is killed while calls are sent, two copies of each, and before the last ones.
    const sending = (async () => {
      for (const i of calls.slice(0, -2)) {
        await Promise.all([send(first, i), send(first, i)].map((one) => one.catch(() => {})))
      }
    })()
    const before = origin.requests.length
    const enough = 1 + dice.below(CALLS_OF_ROUND - 3)
    const sent = () => origin.requests.length - before
    await expect.poll(sent, { interval: 1 }).toBeGreaterThanOrEqual(enough)
    await first.stop('SIGKILL')
    await sending
    const second = await setting.another({ ...OPTIONS, dataDir })
    for (const [k, i] of calls.entries()) {
      const { state } = await storeOf(second).get(ids[k] ?? '')
      const had = arrived(i)
      expect(['granted', 'taken']).toContain(state)
      if (state === 'granted') {
        kept++
        expect(had).toBe(0)
        expect((await send(second, i)).status).toBe(200)
        expect(arrived(i)).toBe(1)
      } else expect((await send(second, i)).status).toBe(403)
      expect(arrived(i)).toBeLessThanOrEqual(1)
    }
    await second.stop()
  }
  expect(kept).toBeGreaterThanOrEqual(2 * ROUNDS)
})
