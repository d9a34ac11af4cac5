const BODY = JSON.stringify({
  object: 'document',
  id: 'doc_7f3a9c',
  title: 'Quarterly figures',
  status: 'ready',
  pages: 12,
  owner: 'team-finance',
})

/** The origin: one small answer, the same for every request. */
export default {
  fetch: () => new Response(BODY, { headers: { 'Content-Type': 'application/json' } }),
} satisfies ExportedHandler
