/** Where tests inside workerd find key sets: documents at this host are theirs, by path. */
export const KEY_HOST = 'https://keys.test.net'

/**
 * What is outside of workerd: one host whose documents are put there, are counted as they are asked
 * for, and can be held back; nothing else answers. `x-ask` of a request says what is wanted of a
 * document: `put`, `hold`, `release`, or how often it was asked for.
 */
export const outside = () => {
  const documents = new Map<string, Document>()
  const documentOf = (path: string): Document => {
    const document = documents.get(path) ?? { text: undefined, asked: 0, ...held(false) }
    documents.set(path, document)
    return document
  }
  return async (request: Request): Promise<Response> => {
    const { origin, pathname } = new URL(request.url)
    if (origin !== KEY_HOST) {
      return new Response(`no network in tests: ${request.url}`, { status: 599 })
    }
    const document = documentOf(pathname)
    const wanted = WANTED[request.headers.get('x-ask') ?? 'get']
    return wanted ? wanted(document, request) : new Response(null, { status: 400 })
  }
}

interface Document {
  text: string | undefined
  asked: number
  open: Promise<void>
  release: () => void
}

const held = (isHeld: boolean): Pick<Document, 'open' | 'release'> => {
  const { promise: open, resolve: release } = Promise.withResolvers<void>()
  if (!isHeld) release()
  return { open, release }
}

type Wanted = (document: Document, request: Request) => Response | Promise<Response>

const WANTED: Readonly<Record<string, Wanted>> = {
  async put(document, request) {
    document.text = await request.text()
    return new Response()
  },
  hold(document) {
    Object.assign(document, held(true))
    return new Response()
  },
  release(document) {
    document.release()
    return new Response()
  },
  count: ({ asked }) => new Response(`${asked}`),
  async get(document) {
    document.asked++
    await document.open
    return document.text
      ? new Response(document.text, { headers: { 'content-type': 'application/json' } })
      : new Response(null, { status: 503 })
  },
}
