/** One step of a compiled expression: it matches a character, branches, or asserts. */
type Step =
  | { readonly op: 'char'; readonly is: (char: string) => boolean; readonly back: boolean }
  | { op: 'split'; first: number; second: number }
  | { op: 'jump'; to: number }
  | { readonly op: 'at'; readonly is: (text: string, at: number) => boolean }
  | { readonly op: 'look'; readonly steps: readonly Step[]; readonly wanted: boolean }
  | { readonly op: 'mark'; readonly slot: number }
  | { readonly op: 'moved'; readonly slot: number }
  | { readonly op: 'end' }

interface Compiled {
  readonly steps: readonly Step[]
  /** Whether it can begin only at the first position. */
  readonly isAnchored: boolean
}

const compiled = new Map<string, Compiled>()

/** What a character may match, asked of the runtime once for each character. */
const tester = (source: string, flags: string): ((char: string) => boolean) => {
  const exact = new RegExp(`^(?:${source})$`, flags.replace(/[gydm]/g, ''))
  const answers = new Map<string, boolean>()
  return (char) => {
    const answer = answers.get(char)
    if (answer !== undefined) return answer
    const is = nativeTest.call(exact, char)
    answers.set(char, is)
    return is
  }
}
const nativeTest = function (this: RegExp, text: string): boolean {
  return nativeExec.call(this, text) !== null
}
const nativeExec = RegExp.prototype.exec

const isWord = (char: string | undefined) => char !== undefined && /^\w$/.test(char)

/** Compiles the syntax that ECMAScript has, without back references. */
const compile = ({ source, flags }: RegExp): Compiled => {
  let at = 0
  let slots = 0
  const isMultiline = flags.includes('m')
  const wide = /[uv]/.test(flags)
  const begins = (text: string) => source.startsWith(text, at)

  const atom = (back: boolean): Step[] => {
    const char = source[at] ?? ''
    if (char === '(') {
      const kind = /^\((?:\?(?:[:=!]|<[=!]|<\w+>))?/.exec(source.slice(at))?.[0] ?? '('
      at += kind.length
      const isLook = /[=!]$/.test(kind)
      const steps = choice(isLook ? kind.includes('<') : back)
      at++
      if (!isLook) return steps
      return [{ op: 'look', steps: [...steps, { op: 'end' }], wanted: kind.endsWith('=') }]
    }
    if (char === '^' || char === '$') {
      at++
      const [far, step] = char === '^' ? [() => 0, -1] : [(text: string) => text.length, 0]
      return [
        {
          op: 'at',
          is: (text, i) =>
            i === far(text) || (isMultiline && /[\n\r\u2028\u2029]/.test(text[i + step] ?? '')),
        },
      ]
    }
    if (begins('\\b') || begins('\\B')) {
      const wanted = source[at + 1] === 'b'
      at += 2
      return [{ op: 'at', is: (text, i) => (isWord(text[i - 1]) !== isWord(text[i])) === wanted }]
    }
    if (/^\\(?:[1-9]|k<)/.test(source.slice(at))) throw new Error(`a back reference in ${source}`)
    const one =
      /^(?:\[(?:\\.|[^\]])*\]|\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|c[A-Za-z]|[\s\S])|[\s\S])/
    const pattern = one[Symbol.match](source.slice(at))?.[0] ?? ''
    const text = wide && /^[\ud800-\udbff]/.test(pattern) ? source.slice(at, at + 2) : pattern
    at += text.length
    const literal = /^[{}\]]$/.test(text) && !wide ? `\\${text}` : text
    return [{ op: 'char', is: tester(literal, flags), back }]
  }

  const shifted = (steps: readonly Step[], by: number): Step[] =>
    steps.map((step) => {
      if (step.op === 'split') return { ...step, first: step.first + by, second: step.second + by }
      return step.op === 'jump' ? { ...step, to: step.to + by } : step
    })

  const repeated = (
    body: readonly Step[],
    least: number,
    most: number,
    isLazy: boolean,
  ): Step[] => {
    const steps: Step[] = []
    for (let i = 0; i < least; i++) steps.push(...shifted(body, steps.length))
    const branch = (): Step & { op: 'split' } => {
      const split: Step = { op: 'split', first: steps.length + 1, second: steps.length + 1 }
      steps.push(split)
      return split
    }
    const leave = (split: Step & { op: 'split' }) => {
      if (isLazy) split.first = steps.length
      else split.second = steps.length
    }
    if (most === Number.POSITIVE_INFINITY) {
      const slot = slots++
      const start = steps.length
      const split = branch()
      steps.push({ op: 'mark', slot })
      steps.push(...shifted(body, steps.length))
      steps.push({ op: 'moved', slot }, { op: 'jump', to: start })
      leave(split)
    } else {
      const splits = Array.from({ length: most - least }, () => {
        const split = branch()
        steps.push(...shifted(body, steps.length))
        return split
      })
      for (const split of splits) leave(split)
    }
    return steps
  }

  const sequence = (back: boolean): Step[] => {
    const parts: Step[][] = []
    while (at < source.length && !begins('|') && !begins(')')) {
      const body = atom(back)
      const [all, least, comma, most] = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})/.exec(source.slice(at)) ?? []
      if (all === undefined) {
        parts.push(body)
        continue
      }
      at += all.length
      const isLazy = begins('?')
      if (isLazy) at++
      const low = least === undefined ? Number(all === '+') : Number(least)
      const endless = least === undefined ? all !== '?' : comma === ',' && most === ''
      const high = endless
        ? Number.POSITIVE_INFINITY
        : least === undefined
          ? 1
          : Number(most || least)
      parts.push(repeated(body, low, high, isLazy))
    }
    const steps: Step[] = []
    for (const part of back ? parts.reverse() : parts) steps.push(...shifted(part, steps.length))
    return steps
  }

  const choice = (back: boolean): Step[] => {
    const first = sequence(back)
    if (!begins('|')) return first
    at++
    const second = choice(back)
    const past = first.length + 2
    return [
      { op: 'split', first: 1, second: past },
      ...shifted(first, 1),
      { op: 'jump', to: past + second.length },
      ...shifted(second, past),
    ]
  }

  const steps = [...choice(false), { op: 'end' } as const]
  return { steps, isAnchored: !isMultiline && /^\^/.test(source) && !hasChoice(source) }
}

/** Whether an expression has alternatives outside of every group. */
const hasChoice = (source: string): boolean => {
  let depth = 0
  for (const [token] of source.matchAll(/\\.|\[(?:\\.|[^\]])*\]|[()|]/gs)) {
    if (token === '(') depth++
    else if (token === ')') depth--
    else if (token === '|' && depth === 0) return true
  }
  return false
}

const count = { steps: 0 }

/** Matches as a backtracking engine does: the end of the match, or -1. */
const run = (steps: readonly Step[], text: string, from: number, wide: boolean): number => {
  const stack: (readonly [next: number, at: number, marks: readonly number[]])[] = []
  let [next, at] = [0, from]
  let marks: readonly number[] = []
  const back = (): boolean => {
    const state = stack.pop()
    if (!state) return false
    ;[next, at, marks] = state
    return true
  }
  for (;;) {
    count.steps++
    const step = steps[next++] as Step
    let holds = true
    if (step.op === 'char') {
      const behind = step.back
      let char = behind ? text[at - 1] : text[at]
      if (wide && char !== undefined) {
        const point = text.codePointAt(behind ? Math.max(0, at - 2) : at) ?? 0
        if (point > 0xffff) char = String.fromCodePoint(point)
      }
      holds = char !== undefined && step.is(char)
      if (char !== undefined) at += behind ? -char.length : char.length
    } else if (step.op === 'split') {
      stack.push([step.second, at, marks])
      next = step.first
    } else if (step.op === 'jump') next = step.to
    else if (step.op === 'at') holds = step.is(text, at)
    else if (step.op === 'look') holds = run(step.steps, text, at, wide) >= 0 === step.wanted
    else if (step.op === 'mark') {
      const copy = [...marks]
      copy[step.slot] = at
      marks = copy
    } else if (step.op === 'moved') holds = marks[step.slot] !== at
    else return at
    if (!holds && !back()) return -1
  }
}

/**
 * The steps that a backtracking engine takes for one call of `exec`: the same number each time. Fails where it matches
 * otherwise than the runtime has matched.
 */
export function regExpSteps(
  pattern: RegExp,
  text: string,
  from: number,
  found: string | undefined,
): number {
  const key = `${pattern.flags}/${pattern.source}`
  const { steps, isAnchored } = compiled.get(key) ?? compile(pattern)
  if (!compiled.has(key)) compiled.set(key, { steps, isAnchored })
  const wide = /[uv]/.test(pattern.flags)
  const last = pattern.sticky || (isAnchored && from === 0) ? from : text.length
  count.steps = 0
  let match: string | undefined
  for (let start = from; start <= last && match === undefined; start++) {
    const end = run(steps, text, start, wide)
    if (end >= 0) match = text.slice(start, end)
    else if (wide && (text.codePointAt(start) ?? 0) > 0xffff) start++
  }
  if (match !== found)
    throw new Error(`${pattern} matches ${JSON.stringify(match)}, not ${JSON.stringify(found)}`)
  return count.steps
}
