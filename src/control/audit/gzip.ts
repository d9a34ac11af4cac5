/** A text, compressed. */
export function gzip(text: string): Promise<ArrayBuffer> {
  return piped(new Blob([text]), new CompressionStream('gzip')).arrayBuffer()
}

/** The text that {@link gzip} compressed. */
export function gunzip(data: ArrayBuffer): Promise<string> {
  return piped(new Blob([data]), new DecompressionStream('gzip')).text()
}

const piped = (blob: Blob, through: ReadableWritablePair<Uint8Array, BufferSource>): Response =>
  new Response(blob.stream().pipeThrough(through))
