// Calls methods of the gate's objects, past the gate. `{ map }` stands for a Map.
const mapped = (_, value) => (Array.isArray(value?.map) ? new Map(value.map) : value)

export default {
  async fetch(request, env) {
    const { binding, name, method, given } = JSON.parse(await request.text(), mapped)
    try {
      return Response.json({ answer: await env[binding].getByName(name)[method](...given) })
    } catch (error) {
      return Response.json({ error: String(error) })
    }
  },
}
