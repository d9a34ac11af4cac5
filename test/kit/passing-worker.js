// A Worker in the gate's place that does nothing but ask the gate's origin.
export default {
  fetch(request, { GATE }) {
    const { pathname, search } = new URL(request.url)
    const { method, body, headers } = request
    const init = { method, body, headers, redirect: 'manual', encodeResponseBody: 'manual' }
    return fetch(GATE.origin + pathname + search, init)
  },
}
