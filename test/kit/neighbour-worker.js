// The gate's neighbours behind service bindings: one that calls it, one that is its origin.
export default {
  async fetch(request, env) {
    if (env.GATE === undefined) {
      const body = await request.text()
      const { method, url } = request
      const headers = Object.fromEntries(request.headers)
      if (url.endsWith('/moved'))
        return new Response(null, { status: 302, headers: { location: '/there' } })
      if (headers.upgrade !== 'websocket') return Response.json({ method, url, headers, body })
      const [client, server] = Object.values(new WebSocketPair())
      server.accept()
      server.addEventListener('message', ({ data }) => server.send(`${url} ${data}`))
      return new Response(null, { status: 101, webSocket: client })
    }
    const headers = new Headers(request.headers)
    const url = headers.get('x-target')
    headers.delete('x-target')
    if (headers.get('x-host') === 'none') headers.delete('host')
    const { method, body } = request
    return env.GATE.fetch(url, { method, headers, body, redirect: 'manual' })
  },
}
