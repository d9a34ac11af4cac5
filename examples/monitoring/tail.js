// A Tail Worker: writes a data point into Workers Analytics Engine for each line of the journal. docs/observability.md.
export default {
  tail(events, env) {
    const texts = events.flatMap(({ logs }) => logs.flatMap(({ message }) => message))
    for (const line of texts.map(lineOf)) {
      if (line?.v !== 1) continue
      env.DECISIONS.writeDataPoint({
        indexes: [String(line.issuer ?? '').slice(0, 96)],
        blobs: ['decision', 'code', 'route', 'agent', 'colo'].map((name) => line[name] ?? ''),
        doubles: [line.origin_status ?? 0],
      })
    }
  },
}

function lineOf(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
