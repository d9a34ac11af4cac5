import type { Admin } from '../../gate/app/context.ts'
import { READ } from '../../gate/policy/endpoints.ts'
import { consoleUrl } from '../api/ports.ts'
import { mustHold } from '../api/scope.ts'
import { codeFor } from './session.ts'

/** `GET /console`: who is signed in, or whose token this is. The page asks every minute. */
export function whoIsIn(c: Admin): Response {
  if (!c.env.person) mustHold(c, READ)
  const { name, issuer } = c.get('agent')
  const { scopes, expires, entry } = c.get('access')
  const { prefix } = c.get('policy').gate
  c.set('isUnwritten', true)
  const { person } = c.env
  const who = { agent: name, issuer, operator: entry.operator, ...(person && { person }) }
  return c.json({ ...who, scopes, expires, prefix }, 200, { 'Cache-Control': 'no-store' })
}

/** `POST /console`: a code for a session of the operator whose token this is, or of the person who signs in. */
export async function newCode(c: Admin): Promise<Response> {
  if (!c.env.person) mustHold(c, READ)
  const { gate } = c.get('policy')
  const { intent = {} } = c.get('decision').known
  if (!gate.console) throw new Error('no console')
  const about = { access: c.get('access'), intent, agent: c.get('agent') }
  const { code, expires } = await codeFor(about, c.get('policy'), gate.console, c.get('ports'))
  const url = consoleUrl(c, `/#code=${code}`)
  return c.json({ url, expires }, 200, { 'Cache-Control': 'no-store' })
}
