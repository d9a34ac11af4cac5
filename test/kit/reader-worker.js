// An origin behind a service binding that reads bodies, and tells what came of each.
const bodies = new Map()

export default {
  async fetch(request, _env, ctx) {
    if (request.method === 'GET') {
      const { searchParams } = new URL(request.url)
      return Response.json(bodies.get(searchParams.get('id')) ?? { bytes: 0, state: 'arriving' })
    }
    const seen = { bytes: 0, state: 'arriving' }
    bodies.set(request.headers.get('x-request-id'), seen)
    const read = async () => {
      try {
        for await (const chunk of request.body) seen.bytes += chunk.length
        seen.state = 'whole'
      } catch {
        seen.state = 'cut'
      }
    }
    const reading = read()
    // Also when whoever asked has left.
    ctx.waitUntil(reading)
    await reading
    return Response.json(seen)
  },
}
