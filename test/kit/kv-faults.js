// The KV namespace of `serve`, and outages of it: `PATCH ?fault=503` begins one, `PATCH` ends it.
import kv from 'kv'

export { KvNamespace } from 'kv'

let fault

export default {
  async fetch(request, env) {
    const { searchParams, hostname } = new URL(request.url)
    if (request.method === 'PATCH') {
      fault = Number(searchParams.get('fault')) || undefined
      return new Response(null)
    }
    // The test's own socket is not part of the outage it asks for.
    if (fault === undefined || hostname === '127.0.0.1') return kv.fetch(request, env)
    await request.arrayBuffer()
    return new Response(null, { status: fault })
  },
}
