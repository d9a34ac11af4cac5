import { consoleJournal } from '../../src/adapters/journal.ts'
import { identityHeaders, stripInbound } from '../../src/answer/headers.ts'
import { recordOf } from '../../src/answer/record.ts'
import { toAgent } from '../../src/answer/response.ts'
import { readAddress } from '../../src/base/request.ts'
import { createGuard, forward as forwardAsGate, type Guard, refusalOf } from '../../src/index.ts'
import { type BenchEnv, forward, refuse } from './env.ts'
import { type Scene, setScene } from './scene.ts'

interface StepEnv extends BenchEnv {
  /** Which one of {@link STEPS}. */
  readonly STEP: string
  /** How often a request does it. */
  readonly TIMES: number
}

type Step = (request: Request, env: StepEnv, scene: Scene) => Promise<Response>

const CLIENT = '203.0.113.7'
const REQUEST_ID = 'bench-0001'
/** Milliseconds, as the gate's own default: it never runs out here. */
const TIMEOUT = 600_000

/** Holds what was made, so that no compiler can leave the making away. */
const made: { last?: unknown } = {}

/** Something done before the request is forwarded. */
const before =
  (work: (request: Request, scene: Scene, env: StepEnv) => unknown): Step =>
  (request, env, scene) => {
    for (let i = 0; i < env.TIMES; i++) made.last = work(request, scene, env)
    return forward(request, env)
  }

/** All that the gate takes away and sets: 6 headers of its own, and those of the identity. */
const edit = (headers: Headers, { guard, known }: Scene): Headers => {
  const { route, address } = known
  const { gate } = guard.policy
  stripInbound(headers, gate, route)
  headers.set('Host', route.target.url.host)
  headers.set('X-Forwarded-For', CLIENT)
  headers.set('X-Forwarded-Proto', address.scheme)
  headers.set('X-Forwarded-Host', address.authority)
  headers.set('Via', '1.1 edgewarden')
  headers.set('X-Request-Id', REQUEST_ID)
  for (const [name, value] of identityHeaders(known)) {
    headers.set(gate.identityPrefix + name, value)
  }
  return headers
}

const writeLine = ({ decision }: Scene): void => {
  const context = { id: crypto.randomUUID(), time: Date.now(), requestId: REQUEST_ID }
  consoleJournal.record(recordOf(decision, { ...context, originStatus: 200 }))
}

let opened: { readonly env: StepEnv; readonly guard: Guard } | undefined

const openOnce = (env: StepEnv, { guard }: Scene): Guard => {
  if (opened?.env !== env) opened = { env, guard: createGuard(guard.policy) }
  return opened.guard
}

let asked = 0

const STEPS: Readonly<Record<string, Step>> = {
  nothing: forward,
  'headers-in-place'(request, env, scene) {
    const outbound = new Request(request)
    edit(outbound.headers, scene)
    return env.ORIGIN.fetch(outbound)
  },
  'headers-copied'({ method, url, headers }, env, scene) {
    return env.ORIGIN.fetch(url, { method, headers: edit(new Headers(headers), scene) })
  },
  async 'answer-copied'(request, env) {
    const response = await forward(request, env)
    return new Response(response.body, response)
  },
  async 'answer-edited'(request, env, { known: { route, address } }) {
    return toAgent(await forward(request, env), { route, address, requestId: REQUEST_ID })
  },
  async 'timeout-race'(request, env) {
    const late = Promise.withResolvers<undefined>()
    const timer = setTimeout(late.resolve, TIMEOUT)
    const response = await Promise.race([forward(request, env), late.promise])
    clearTimeout(timer)
    return response ?? refuse()
  },
  async 'timeout-abort'(request, env) {
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), TIMEOUT)
    const response = await env.ORIGIN.fetch(new Request(request, { signal: late.signal }))
    clearTimeout(timer)
    return response
  },
  'journal-line': before((_, scene) => writeLine(scene)),
  'guard-each': before((_, { guard }) => createGuard(guard.policy)),
  'guard-once': before((_, scene, env) => openOnce(env, scene)),
  'address-new': before(({ method, url, headers }) =>
    readAddress({ method, url: `${url}-${++asked}`, headers }),
  ),
  'address-known': before(({ method, url, headers }) => readAddress({ method, url, headers })),
  async decision(request, env, { guard }) {
    return refusalOf(await guard(request)) ? refuse() : forward(request, env)
  },
  async least(request, env, scene) {
    const { method, url, headers } = request
    const timer = setTimeout(() => {}, TIMEOUT)
    const sent = await env.ORIGIN.fetch(url, {
      method,
      headers: edit(new Headers(headers), scene),
    })
    clearTimeout(timer)
    const answer = new Response(sent.body, sent)
    answer.headers.set('X-Request-Id', REQUEST_ID)
    answer.headers.set('Cache-Control', 'private')
    answer.headers.append('Vary', 'Authorization')
    writeLine(scene)
    return answer
  },
  async floor(request, env, scene) {
    const answer = await forwardAsGate(request, scene.decision, {
      send: (_, url, outbound) => env.ORIGIN.fetch(url, outbound),
      requestId: REQUEST_ID,
      clientIp: CLIENT,
    })
    writeLine(scene)
    return answer
  },
}

let scene: Scene | undefined

const firstOf = async (step: Step, request: Request, env: StepEnv): Promise<Response> => {
  scene = await setScene(request, env)
  return step(request, env, scene)
}

/** The pass-through and one single thing that the gate does, or that it could do instead. */
export default {
  fetch(request, env) {
    const step = STEPS[env.STEP]
    if (!step) return new Response(`no step ${env.STEP}`, { status: 501 })
    return scene ? step(request, env, scene) : firstOf(step, request, env)
  },
} satisfies ExportedHandler<StepEnv>
