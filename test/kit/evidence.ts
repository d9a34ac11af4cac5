/** One request and what came of it, as text. */
interface Exchange {
  readonly port: number
  readonly sent: string
  came: string
}

/** How much of a failure is printed: exchanges, and characters of each text. */
const LAST = 6
const LONGEST = 3_000

const exchanges: Exchange[] = []
const logs = new Map<number, { readonly output: () => string; from: number }>()

/** Notes a request to a port; what comes back is added to the result, piece by piece. */
export function noteRequest(port: number, sent: string): { came(text: string): void } {
  const exchange: Exchange = { port, sent: cut(sent), came: '' }
  exchanges.push(exchange)
  if (exchanges.length > LAST) exchanges.shift()
  return {
    came(text) {
      if (exchange.came.length < LONGEST) exchange.came += text
    },
  }
}

/** Notes what a process on a port writes, until it is forgotten. */
export function noteLog(port: number, output: () => string): { forget(): void } {
  logs.set(port, { output, from: 0 })
  return { forget: () => void logs.delete(port) }
}

/** Forgets what went before, as a test begins. */
export function beginEvidence(): void {
  exchanges.length = 0
  for (const log of logs.values()) log.from = log.output().length
}

/** What was sent since then, what came, and what the gates wrote; the last of each. */
export function evidence(): string {
  const asked = exchanges.map(
    ({ port, sent, came }) =>
      `--- sent to port ${port}\n${sent}\n--- came\n${cut(came) || '(nothing)'}`,
  )
  const written = [...logs].flatMap(([port, { output, from }]) => {
    const text = output().slice(from).slice(-LONGEST)
    return text === '' ? [] : [`--- log of the gate on port ${port}\n${text}`]
  })
  return [...asked, ...written].join('\n')
}

const cut = (text: string): string =>
  text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${text.length} characters)` : text
