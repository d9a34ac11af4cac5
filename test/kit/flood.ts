import { Agent, request } from 'node:http'

/** A request of a flood. */
export interface Drop {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** A flood that is going on. */
export interface Flood {
  /** Answers so far: status and, of a denial, code → how many. */
  readonly answers: ReadonlyMap<string, number>
  readonly count: number
  /** Settles when so many answers are there; rejects where a connection breaks. */
  reached(count: number): Promise<void>
  /** Sends nothing more, and waits for what was sent. */
  end(): Promise<void>
}

/** Sends one request after the other over each of its kept connections, until it is ended. */
export function startFlood(
  port: number,
  connections: number,
  dropOf: (count: number) => Drop,
): Flood {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const answers = new Map<string, number>()
  const waiting: { readonly count: number; readonly done: () => void }[] = []
  let sent = 0
  let count = 0
  let isOver = false
  const answered = (answer: string) => {
    count++
    answers.set(answer, (answers.get(answer) ?? 0) + 1)
    for (const one of waiting) if (count >= one.count) one.done()
  }
  const stream = async () => {
    while (!isOver) answered(await send(port, agent, dropOf(sent++)))
  }
  const all = Promise.all(Array.from({ length: connections }, stream))
  // Whoever waits gets to see what broke.
  all.catch(() => {
    isOver = true
    agent.destroy()
  })
  return {
    answers,
    get count() {
      return count
    },
    async reached(count) {
      await Promise.race([all, new Promise<void>((done) => waiting.push({ count, done }))])
    },
    async end() {
      isOver = true
      await all
      agent.destroy()
    },
  }
}

const send = (port: number, agent: Agent, { path, headers }: Drop): Promise<string> =>
  new Promise((done, fail) => {
    const outgoing = request({ host: '127.0.0.1', port, path, headers, agent }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part) => {
        text += part
      })
      response.on('error', fail)
      response.on('end', () => {
        const [, code] = /"code":"(\w+)"/.exec(text) ?? []
        done(`${response.statusCode}${code === undefined ? '' : ` ${code}`}`)
      })
    })
    outgoing.on('error', fail)
    outgoing.end()
  })
