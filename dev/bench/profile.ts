/** What a CPU profile of V8 says of one function. */
interface ProfileNode {
  readonly id: number
  readonly hitCount?: number
  readonly callFrame: {
    readonly functionName: string
    readonly url: string
    readonly lineNumber: number
  }
}

/** As `Profiler.stop` gives it: the format of a `.cpuprofile` file. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
}

/** Begins to profile a Worker over workerd's inspector; the result ends it and gives the profile. */
export const startProfile = async (
  port: number,
  service: string,
): Promise<() => Promise<CpuProfile>> => {
  const response = await fetch(`http://127.0.0.1:${port}/json`)
  const targets = (await response.json()) as readonly Target[]
  const target = targets.find(({ id }) => id === service)
  if (!target) throw new Error(`the inspector does not know ${service}`)
  const socket = new WebSocket(target.webSocketDebuggerUrl)
  await new Promise<void>((done, fail) => {
    socket.onopen = () => done()
    socket.onerror = () => fail(new Error('the inspector cannot be reached'))
  })
  const waiting = new Map<number, (result: unknown) => void>()
  socket.onmessage = ({ data }) => {
    const { id, result } = JSON.parse(String(data))
    waiting.get(id)?.(result)
  }
  let last = 0
  const call = (method: string, params: Readonly<Record<string, unknown>> = {}) =>
    new Promise<unknown>((done) => {
      waiting.set(++last, done)
      socket.send(JSON.stringify({ id: last, method, params }))
    })
  await call('Profiler.enable')
  // Microseconds.
  await call('Profiler.setSamplingInterval', { interval: 200 })
  await call('Profiler.start')
  return async () => {
    const { profile } = (await call('Profiler.stop')) as { profile: CpuProfile }
    socket.close()
    return profile
  }
}

interface Target {
  readonly id: string
  readonly webSocketDebuggerUrl: string
}

const MOST = 40

/**
 * The functions that took most time themselves, idle time left out: a share, a name, and where in
 * the sources. Needs the bundle as esbuild wrote it, not minified.
 */
export const bySelfTime = ({ nodes }: CpuProfile, bundle: string): readonly string[] => {
  const whereabouts = placesIn(bundle)
  const hits = new Map<string, number>()
  let all = 0
  for (const { callFrame, hitCount = 0 } of nodes) {
    const { functionName, url, lineNumber } = callFrame
    if (functionName === '(idle)') continue
    const place = url === '' ? '' : whereabouts(lineNumber)
    const name = `${functionName || '(anonymous)'} ${place}`
    hits.set(name, (hits.get(name) ?? 0) + hitCount)
    all += hitCount
  }
  return [...hits]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST)
    .map(([name, count]) => `${((100 * count) / all).toFixed(1).padStart(5)} %  ${name}`)
}

/** From a line of the bundle to the file it is from, and the text of the line. */
const placesIn = (bundle: string): ((line: number) => string) => {
  const lines = bundle.split('\n')
  let file = ''
  const files = lines.map((text) => {
    file = /^\/\/ (\S+\.[cm]?[jt]s)$/.exec(text)?.[1] ?? file
    return file
  })
  return (line) => `${files[line] ?? ''}  ${(lines[line] ?? '').trim().slice(0, 70)}`
}
