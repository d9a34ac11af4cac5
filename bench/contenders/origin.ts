const BODY = JSON.stringify({
  object: 'document',
  id: 'doc_7f3a9c',
  title: 'Quarterly figures',
  status: 'ready',
  pages: 12,
  owner: 'team-finance',
})

const RESULT = JSON.stringify({
  jsonrpc: '2.0',
  id: 7,
  result: { content: [{ type: 'text', text: 'One document: Quarterly figures, 12 pages.' }] },
})

const json = (body: string) =>
  new Response(body, { headers: { 'Content-Type': 'application/json' } })

/** The origin: one small answer, the same for every request; for what is posted, once it is read. */
export default {
  async fetch(request) {
    if (request.method !== 'POST') return json(BODY)
    await request.arrayBuffer()
    return json(RESULT)
  },
} satisfies ExportedHandler
