// The gate's neighbours behind service bindings: one that calls it, one that is its origin.
export default {
  async fetch(request, env) {
    if (env.GATE === undefined) {
      const { method, url } = request
      if (url.endsWith('/hung-up')) {
        await request.body.getReader().read()
        throw new Error('hung up')
      }
      const body = await request.text()
      const headers = Object.fromEntries(request.headers)
      if (url.endsWith('/moved'))
        return new Response(null, { status: 302, headers: { location: '/there' } })
      // A length that was copied from elsewhere, of a body that is whole or goes on.
      const [, said, sent, pause] = url.match(/\/said\/(\d+)\/(\d+)\/(\d+)$/) ?? []
      if (said !== undefined) {
        const { readable, writable } = new TransformStream()
        const write = async () => {
          const writer = writable.getWriter()
          const half = Math.floor(Number(sent) / 2)
          await writer.write(new Uint8Array(half).fill(97))
          await new Promise((done) => setTimeout(done, Number(pause)))
          await writer.write(new Uint8Array(Number(sent) - half).fill(98))
          await writer.close()
        }
        write().catch(() => {})
        return new Response(readable, { headers: { 'content-length': said } })
      }
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
