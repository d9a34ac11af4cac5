/** A sample of an exposition. */
export interface Metric {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const TEXT = String.raw`"(?:[^"\\\n]|\\["\\n])*"`
const LABEL = `[a-zA-Z_][a-zA-Z0-9_]*=${TEXT}`
const SAMPLE = new RegExp(
  `^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)?\\})? (\\+Inf|-?\\d+(?:\\.\\d+)?)$`,
)
const META = new RegExp(`^# (TYPE|HELP|UNIT) (${NAME}) (.+)$`)

/** What the names of a family's samples end with, by its type. */
const ENDINGS: Readonly<Record<string, readonly string[]>> = {
  counter: ['_total'],
  gauge: [''],
  histogram: ['_bucket', '_count', '_sum'],
}

/** Checks histograms: bounds and counts rise, the last bucket has no bound, and it is the count. Throws otherwise. */
const checkBuckets = (metrics: readonly Metric[]): void => {
  let bound = Number.NEGATIVE_INFINITY
  let count = 0
  for (const { name, labels, value } of metrics) {
    if (name.endsWith('_count') && (bound !== Number.POSITIVE_INFINITY || value !== count))
      throw new Error(`not the last bucket: ${name} ${value}`)
    if (!name.endsWith('_bucket')) {
      bound = Number.NEGATIVE_INFINITY
      count = 0
      continue
    }
    const next = labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le)
    if (!(next > bound) || value < count) throw new Error(`does not rise: ${name} ${labels.le}`)
    bound = next
    count = value
  }
}

/**
 * Reads an exposition by the ABNF of OpenMetrics 1.0, and by its rules for families: one after the other, each with
 * its metadata first, counters by `_total` and not below zero, no sample twice, and an end. Throws otherwise.
 */
export function readMetrics(text: string): readonly Metric[] {
  if (!text.endsWith('\n# EOF\n')) throw new Error('no end')
  const types = new Map<string, string>()
  const seen = new Set<string>()
  const metrics: Metric[] = []
  let family = ''
  for (const line of text.split('\n').slice(0, -2)) {
    const [, kind, named = '', rest = ''] = META.exec(line) ?? []
    if (kind) {
      if (seen.has(`${kind} ${named}`)) throw new Error(`twice: ${line}`)
      if (kind === 'TYPE' && types.has(named)) throw new Error(`not together: ${line}`)
      if (kind !== 'TYPE' && named !== family) throw new Error(`of another family: ${line}`)
      seen.add(`${kind} ${named}`)
      if (kind === 'TYPE') types.set(named, rest)
      family = named
      continue
    }
    const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? []
    if (name === '') throw new Error(`no sample: ${line}`)
    const type = types.get(family)
    const endings = ENDINGS[type ?? '']
    if (!endings) throw new Error(`type ${type}`)
    if (!endings.some((ending) => name === family + ending))
      throw new Error(`of no family: ${line}`)
    const key = `${name} ${labels}`
    if (seen.has(key)) throw new Error(`twice: ${line}`)
    seen.add(key)
    const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value)
    if (type === 'counter' && !(number >= 0)) throw new Error(`no counter: ${line}`)
    const pairs = [...labels.matchAll(/([a-zA-Z0-9_]+)=("(?:[^"\\]|\\.)*")/g)].map(
      ([, label = '', quoted = '']) => [label, JSON.parse(quoted) as string] as const,
    )
    metrics.push({ name, labels: Object.fromEntries(pairs), value: number })
  }
  checkBuckets(metrics)
  return metrics
}
