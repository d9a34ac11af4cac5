import { createGuard, parsePolicy } from 'edgewarden'
import { agentGuard } from 'edgewarden/hono'
import { Hono } from 'hono'

/** An API of its own: some of its routes are for agents, and the handler knows which one calls. */

const parsed = parsePolicy({
  GATE: { resource: 'https://api.example.com', origin: 'https://origin.example.com' },
  ISSUERS: { acme: { issuer: 'https://auth.acme.example', algorithms: ['ES256'] } },
  ROUTES: [
    { match: 'GET /v1/notes', scopes: ['notes:read'] },
    { match: 'POST /v1/notes', scopes: ['notes:write'] },
  ],
})
if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason, null, 2))

const agents = agentGuard(createGuard(parsed.value.policy))
const notes: { readonly by: string; readonly text: string }[] = []

export default new Hono()
  .get('/', (c) => c.text('Notes by agents'))
  .get('/v1/notes', agents, (c) => c.json({ notes }))
  .post('/v1/notes', agents, async (c) => {
    const note = { by: c.get('agent')?.name ?? 'nobody', text: await c.req.text() }
    notes.push(note)
    return c.json(note, 201)
  })
