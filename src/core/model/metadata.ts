/** RFC 9728 §3. */
export const METADATA_PATH = '/.well-known/oauth-protected-resource'

/** Path of a resource's metadata: the well-known name goes between host and path (RFC 9728 §3.1). */
export function metadataPath(resource: string): string {
  const { pathname } = new URL(resource)
  return METADATA_PATH + (pathname === '/' ? '' : pathname)
}

/** URL of a resource's metadata. */
export function metadataUrl(resource: string): string {
  return new URL(resource).origin + metadataPath(resource)
}
