type Body = ReadableStream<Uint8Array>

/** The chunks read so far and the rest; without `rest` the body is complete. */
export interface Started {
  readonly chunks: readonly Uint8Array[]
  readonly rest?: {
    readonly reader: ReadableStreamDefaultReader<Uint8Array>
    /** A pending read. */
    readonly reading: ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>
  }
}

/** Milliseconds to wait for a complete body, and the most bytes to read. */
const QUICK = { ms: 5, bytes: 64 * 1024 }

/**
 * Reads the start of a body: a short one needs no watch. Returns after {@link QUICK.ms} what has
 * arrived. Never rejects: errors are in `rest`.
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
