import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { parseAst } from 'vitest/node'
import { regExpSteps } from './regexp-steps.ts'
import { ROOT } from './repository.ts'

/** A node of a syntax tree, as ESTree has it. */
interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [member: string]: unknown
}

const counter = { steps: 0 }
Object.assign(globalThis, { edgewardenSteps: counter })
const COUNT = 'edgewardenSteps.steps++'

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'

/** Counts each call of a function and each round of a loop. */
const counting = (code: string): string => {
  const inserted: (readonly [at: number, text: string])[] = []
  const visit = (node: Node) => {
    const { type, body } = node
    if (isNode(body) && /Function|^(?:For|While|DoWhile)/.test(type)) {
      if (body.type === 'BlockStatement' || body.type === 'FunctionBody') {
        inserted.push([body.start + 1, `${COUNT};`])
      } else if (type === 'ArrowFunctionExpression') {
        inserted.push([body.start, `(${COUNT},`], [body.end, ')'])
      } else inserted.push([body.start, `{${COUNT};`], [body.end, '}'])
    }
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) visit(child)
    }
  }
  visit(parseAst(code) as unknown as Node)
  let at = 0
  let text = ''
  for (const [to, one] of inserted.sort(([a], [b]) => a - b)) {
    text += code.slice(at, to) + one
    at = to
  }
  return text + code.slice(at)
}

/** What stands for the modules that only a deployed Worker has: whatever is imported of it is `undefined`. */
const ABSENT = 'module.exports = {}'

/** Loads modules as one, with all that they import; with its functions and loops counted where that is asked for. */
export async function loadWhole<Module>(
  paths: readonly string[],
  isCounted = true,
): Promise<Module> {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-steps-'))
  try {
    const absent = join(directory, 'absent.cjs')
    await writeFile(absent, ABSENT)
    const { outputFiles } = await build({
      stdin: {
        contents: paths.map((path) => `export * from './${path}'`).join('\n'),
        resolveDir: ROOT,
      },
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
      alias: { 'edgewarden/console-page': absent, 'cloudflare:workers': absent },
    })
    const code = outputFiles[0]?.text ?? ''
    const file = join(directory, 'whole.mjs')
    await writeFile(file, isCounted ? counting(code) : code)
    return await import(/* @vite-ignore */ pathToFileURL(file).href)
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** Steps of an exception: what it costs beside a character. */
const EXCEPTION = 1_000

type Method = (this: unknown, ...given: never[]) => unknown
type Cost = (self: unknown, given: readonly unknown[], result: unknown) => number

const size = (value: unknown): number =>
  typeof value === 'string' || ArrayBuffer.isView(value) || Array.isArray(value)
    ? ((value as { length?: number }).length ?? 0)
    : 0
const ofSelf: Cost = (self) => size(self)
const ofFirst: Cost = (_, [first]) => size(first)
const ofResult: Cost = (_, __, result) => size(result)
/** Characters up to what was found. */
const untilFound: Cost = (self, [_, from], result) => {
  const start = typeof from === 'number' ? from : 0
  return Math.abs((result === -1 || typeof result !== 'number' ? size(self) : result) - start)
}

/** Where `Uint8Array` has its methods. */
const BYTES: object = Object.getPrototypeOf(Uint8Array.prototype)

/** What the runtime's own functions read. Others take the same time for every text, or copy lazily. */
const COSTS: readonly (readonly [owner: object, names: readonly string[], cost: Cost])[] = [
  [String.prototype, ['normalize', 'toLowerCase', 'toUpperCase', 'split', 'replaceAll'], ofSelf],
  [String.prototype, ['isWellFormed', 'toWellFormed', 'includes', 'trim', 'replace'], ofSelf],
  [String.prototype, ['indexOf', 'lastIndexOf'], untilFound],
  [Array.prototype, ['slice', 'concat', 'includes', 'splice', 'shift', 'unshift', 'with'], ofSelf],
  [Array.prototype, ['indexOf'], untilFound],
  [Array.prototype, ['join'], ofResult],
  [BYTES, ['indexOf'], untilFound],
  [BYTES, ['set'], ofFirst],
  [JSON, ['parse'], ofFirst],
  [JSON, ['stringify'], ofResult],
  [Buffer, ['from'], ofFirst],
  [TextDecoder.prototype, ['decode'], ofFirst],
  [TextEncoder.prototype, ['encode'], ofFirst],
  [URL, ['canParse'], ofFirst],
  [globalThis, ['decodeURIComponent', 'encodeURIComponent', 'atob', 'btoa'], ofFirst],
]

/** Replaces a method by one that counts; the function it gives undoes that. */
const counted = (owner: object, name: string, cost: Cost): (() => void) => {
  const description = Object.getOwnPropertyDescriptor(owner, name)
  if (!description) return () => {}
  const native = description.value as Method
  const value = function (this: unknown, ...given: never[]) {
    try {
      const result = native.apply(this, given)
      counter.steps += cost(this, given, result)
      return result
    } catch (error) {
      counter.steps += EXCEPTION
      throw error
    }
  }
  Object.defineProperty(owner, name, { ...description, value })
  return () => Object.defineProperty(owner, name, description)
}

/** Texts that are shorter cost the same by every expression. */
const SHORT = 48

/** Counts what each regular expression reads, as an engine that backtracks. */
const countedExpressions = (): (() => void) => {
  const { exec } = RegExp.prototype
  RegExp.prototype.exec = function (text) {
    const from = this.global || this.sticky ? this.lastIndex : 0
    const match = exec.call(this, text)
    counter.steps +=
      text.length - from < SHORT ? 1 : within(() => regExpSteps(this, text, from, match?.[0]))
    return match
  }
  return () => {
    RegExp.prototype.exec = exec
  }
}

let isWithin = false
/** Runs what is not to be counted itself. */
const within = (run: () => number): number => {
  if (isWithin) return 0
  isWithin = true
  const before = counter.steps
  try {
    const steps = run()
    counter.steps = before
    return steps
  } finally {
    isWithin = false
  }
}

/**
 * The steps of a run: calls and rounds of loops of a module that {@link loadWhole} has loaded, what regular expressions
 * and the runtime's own functions read, and exceptions of these. The same number each time, whatever the machine does.
 */
export async function stepsOf(run: () => Promise<unknown>): Promise<number> {
  const undo = [
    ...COSTS.flatMap(([owner, names, cost]) => names.map((name) => counted(owner, name, cost))),
    countedExpressions(),
  ]
  try {
    const before = counter.steps
    await run()
    return counter.steps - before
  } finally {
    for (const one of undo.reverse()) one()
  }
}
