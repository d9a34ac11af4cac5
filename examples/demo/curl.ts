import type { AuthorizationServer, DemoClient } from './authorization-server.ts'

/** Lines a newcomer can paste into a shell while the demo is up. */
export const curlLines = ({
  gate,
  server,
  client,
}: {
  readonly gate: string
  readonly server: AuthorizationServer
  readonly client: Pick<DemoClient, 'clientId' | 'clientSecret' | 'scopes'>
}): string => `
The gate stays up until Ctrl-C. Try it:

TOKEN=$(curl -s -u ${client.clientId}:${client.clientSecret} ${server.tokenEndpoint} \\
  -d grant_type=client_credentials -d resource=${gate} -d 'scope=${client.scopes.join(' ')}' \\
  | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
curl -i ${gate}/v1/documents/42 -H "Authorization: Bearer $TOKEN"
curl -N ${gate}/v1/chat/completions -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' \\
  -d '{"model":"demo","stream":true,"messages":[{"role":"user","content":"Hello"}]}'
curl -s ${gate}/whoami -H "Authorization: Bearer $TOKEN"
curl -i ${gate}/v1/documents/42
`

/** Commands of an operator, for the same shell. The key is gone when the demo ends. */
export const commandLines = (gate: string, key: string): string => `Or with the key of the operator:

npx edgewarden log --gate ${gate} --key ${key}
npx edgewarden agents list --gate ${gate} --key ${key}
npx edgewarden list --gate ${gate} --key ${key}
`
