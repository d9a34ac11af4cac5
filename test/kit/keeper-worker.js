// The other end of keeper-link.js, in the process that has the objects.
export default {
  async fetch(request, env) {
    const { name, question } = await request.json()
    try {
      return Response.json({ answer: await env.KEY_SERVICE.getByName(name).ask(...question) })
    } catch (error) {
      return Response.json({ error: String(error) })
    }
  },
}
