type Body = ReadableStream<Uint8Array>

/** What of a body was read, and how it goes on; without `rest` that is all of it. */
export interface Started {
  readonly chunks: readonly Uint8Array[]
  readonly rest?: {
    readonly reader: ReadableStreamDefaultReader<Uint8Array>
    /** A reading that has begun. */
    readonly reading: ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>
  }
}

/** Milliseconds a body has to be there whole, and bytes that are held for it. */
const QUICK = { ms: 5, bytes: 64 * 1024 }

/**
 * Reads the start of a body, so that one which is there at once need not be watched: most are. Whoever
 * waits for more gets what there is after {@link QUICK.ms}. Never rejects: a body that breaks off does so
 * in `rest`.
 */
export async function start(body: Body): Promise<Started> {
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<undefined>((done) => {
    timer = setTimeout(done, QUICK.ms, undefined)
  })
  try {
    for (let size = 0; ; ) {
      const reading = reader.read()
      const rest = { reader, reading }
      const read = await Promise.race([reading, late]).catch(() => undefined)
      if (!read) return { chunks, rest }
      if (read.done) return { chunks }
      chunks.push(read.value)
      size += read.value.length
      if (size > QUICK.bytes) return { chunks, rest: { reader, reading: reader.read() } }
    }
  } finally {
    if (timer !== undefined) clearTimeout(timer)
  }
}

/** Chunks as one; a single one is not copied. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const [only] = chunks
  if (only && chunks.length === 1) return only as Uint8Array<ArrayBuffer>
  const all = new Uint8Array(chunks.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}
