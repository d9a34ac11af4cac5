// An origin behind a service binding that refuses uploads before it has read them. With `read` it then reads the rest.
export default {
  fetch(request, _env, ctx) {
    const read = async () => {
      try {
        for await (const _ of request.body);
      } catch {}
    }
    if (new URL(request.url).searchParams.has('read')) ctx.waitUntil(read())
    return new Response('early', { status: 413 })
  },
}
