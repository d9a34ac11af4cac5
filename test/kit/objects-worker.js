// Calls methods of the gate's objects, past the gate.
export default {
  async fetch(request, env) {
    const { binding, name, method, given } = await request.json()
    try {
      return Response.json({ answer: await env[binding].getByName(name)[method](...given) })
    } catch (error) {
      return Response.json({ error: String(error) })
    }
  },
}
