import { createGuard, forward, parsePolicy, respond } from 'edgewarden'

/** A gate as a fetch handler: what the policy allows goes to the origin, with the agent's identity. */

const parsed = parsePolicy({
  GATE: { resource: 'https://api.example.com', origin: 'https://origin.example.com' },
  ISSUERS: { acme: { issuer: 'https://auth.acme.example', algorithms: ['ES256'] } },
  ROUTES: [
    { match: 'GET /v1/notes', scopes: ['notes:read'] },
    { match: 'POST /v1/notes', scopes: ['notes:write'] },
  ],
})
if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason, null, 2))

const guard = createGuard(parsed.value.policy)

export default {
  /** @param {Request} request */
  async fetch(request) {
    const decision = await guard(request)
    return respond(request, decision) ?? forward(request, decision)
  },
}
