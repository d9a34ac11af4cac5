import { authorize } from '../../test/kit/mcp/interactive-server.ts'
import { type Call, createCall, type Step } from './call.ts'

/** The name of the issuer at which people sign in, and the client that the gate is there. */
export const PEOPLE = 'people'
export const CONSOLE_CLIENT = 'edgewarden-console'

/** What a person may do at the console. */
export const PERSON_SCOPES = ['edgewarden:read', 'edgewarden:audit:read', 'edgewarden:approve']

/** The rule of calls that a person must approve. */
export const approvalRule = { match: 'POST /v1/refunds', scopes: [], approval: {} }

/** Where the issuer sends people back: the console of a gate. */
export const callbackOf = (console: string): string => `${console}/person/callback/${PEOPLE}`

interface Asking {
  readonly call: Call
  /** The address of the console. */
  readonly console: string
  readonly token: string
}

/** A refund waits for a person, who approves it at the console: it goes through once. */
export async function* approvalWalk({ call, console, token }: Asking): AsyncGenerator<Step> {
  const refund = (what: string, expected: readonly [number, string]) =>
    call(what, expected, '/v1/refunds', {
      ...{ method: 'POST', token, body: JSON.stringify({ order: 17, amount: 250 }) },
      headers: { 'Content-Type': 'application/json' },
    })
  yield await refund('a refund waits for a person', [403, 'approval_required'])
  const cookie = await signIn(console)
  const asked = await fetch(`${console}/api/approvals`, { headers: { cookie } })
  const [waiting] = ((await asked.json()) as { approvals: readonly Waiting[] }).approvals
  yield await createCall(console)(
    'a person signs in at the console, and approves it',
    [200, 'allowed'],
    `/api/approvals/${waiting?.id}`,
    {
      method: 'POST',
      body: JSON.stringify({ decision: 'approve', shown_digest: waiting?.shown_digest }),
      headers: { ...actOf(console), 'Content-Type': 'application/json', cookie },
    },
  )
  yield await refund('the refund goes through', [200, 'allowed'])
  yield await refund('the same refund again waits for a person', [403, 'approval_required'])
}

interface Waiting {
  readonly id: string
  readonly shown_digest: string
}

/** What the console's page sends with each change. */
const actOf = (console: string) => ({ origin: console, 'x-edgewarden-console': '1' })

/** Signs a person in as a browser does, and returns the cookie of the session. */
const signIn = async (console: string): Promise<string> => {
  const start = `${console}/person/start?issuer=${PEOPLE}`
  const begun = await fetch(start, { method: 'POST', headers: actOf(console) })
  const { url } = (await begun.json()) as { url: string }
  const callback = callbackOf(console)
  const answer = await authorize(new URL(url), callback)
  const entered = await fetch(`${callback}?${answer}`, {
    ...{ redirect: 'manual', headers: { cookie: cookieIn(begun) } },
  })
  return cookieIn(entered)
}

const cookieIn = ({ headers }: Response): string => headers.getSetCookie()[0]?.split(';')[0] ?? ''
