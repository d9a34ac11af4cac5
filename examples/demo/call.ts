/** One step of the walk: what was tried, what came back. */
export interface Step {
  readonly what: string
  readonly status: number
  /** The denial's code, or `allowed`. */
  readonly reason: string
  readonly asExpected: boolean
  readonly first?: boolean
}

/** One call of the gate, and what it should come to. */
export type Call = (
  what: string,
  expected: readonly [status: number, reason: string],
  path: string,
  init?: RequestInit & { readonly token?: string },
) => Promise<Step>

/** Calls a gate as an agent would. */
export const createCall =
  (gate: string): Call =>
  async (what, expected, path, init = {}) => {
    const headers = new Headers(init.headers)
    if (init.token !== undefined) headers.set('Authorization', `Bearer ${init.token}`)
    const response = await fetch(gate + path, { ...init, headers })
    const text = await response.text()
    const reason = response.ok ? 'allowed' : codeOf(text)
    const asExpected = response.status === expected[0] && reason === expected[1]
    return { what, status: response.status, reason, asExpected }
  }

const codeOf = (body: string): string => {
  try {
    return String((JSON.parse(body) as { code?: unknown }).code)
  } catch {
    return 'no reason given'
  }
}
