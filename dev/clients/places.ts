/** What the agents may ask for. */
export const SCOPES = ['mcp:connect', 'files:write']
/** Before the paths where people sign in. */
export const PEOPLE = '/people'
/** Before the paths that are limited. */
export const LIMITED = '/limited'
/** Where models are. */
export const MODELS = '/v1'
export const METADATA = '/.well-known/oauth-protected-resource'
export const MCP_PATHS = ['/mcp', '/modern']
export const WRITE = 'files_write'
/** Tools that the policy names, with their scopes. */
export const TOOLS = { get_weather: [], [WRITE]: ['files:write'], slow_count: [] }
