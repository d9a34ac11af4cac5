import { printable } from '../../gate/base/text.ts'

/** What an exit status says: the answer is yes, the answer is no, or there is no answer. */
export const EXIT = { yes: 0, no: 1, unknown: 2 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The result of a command. Its texts are not escaped yet: {@link render} does that. */
export interface Outcome {
  readonly exitCode: ExitCode
  /** The document that `--json` prints. */
  readonly json: unknown
  /** For people: the result, on standard output. */
  readonly out: readonly string[]
  /** For people: mistakes, warnings and notes, on standard error. */
  readonly err: readonly string[]
  /** Workflow commands for GitHub. They follow `out`, and no other line can be one. */
  readonly commands?: readonly string[]
}

/**
 * The outcome of a command that cannot say yes or no: wrong usage, an unreadable file, no network.
 */
export function cannotTell(message: string): Outcome {
  return {
    exitCode: EXIT.unknown,
    json: { error: message },
    out: [],
    err: [message],
  }
}

/** A value as JSON text that is printable and still the same JSON. */
const jsonText = (value: unknown): string =>
  JSON.stringify(value, null, 2)
    .split('\n')
    .map((line) => shownLine(line))
    .join('\n')

/**
 * A text as one printable line that GitHub does not read as a workflow command. GitHub takes `::` after spaces, and `##[`
 * anywhere in a line. In JSON the escapes are the same text.
 */
export function shownLine(text: string): string {
  return printable(text)
    .replace(/^ *:(?=:)/, (start) => start.replace(':', '\\u003a'))
    .replaceAll('##[', '#\\u0023[')
}

const lines = (texts: readonly string[], shown = shownLine): string =>
  texts.map((text) => `${shown(text)}\n`).join('')

/** An outcome as text for the two streams. With `json` one document and nothing else. */
export function render(
  outcome: Outcome,
  json: boolean,
): { readonly stdout: string; readonly stderr: string } {
  return json
    ? { stdout: `${jsonText(outcome.json)}\n`, stderr: '' }
    : {
        stdout: lines(outcome.out) + lines(outcome.commands ?? [], printable),
        stderr: lines(outcome.err),
      }
}

/** A list without the items that are left out by `condition && item`, or `undefined`. */
export function present<Item>(items: readonly (Item | false | undefined)[]): readonly Item[] {
  return items.filter((one): one is Item => one !== false && one !== undefined)
}

/** Characters between two columns. */
const GAP = '  '

const widthOf = (text: string): number => [...text].length

/**
 * Rows as lines with aligned columns; nothing follows the last cell of a line. Cells are made printable first,
 * because escapes are wider than the characters they replace.
 */
export function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const texts = rows.map((row) => row.map(printable))
  const widths: number[] = []
  for (const row of texts) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, widthOf(cell))
  }
  return texts.map((row) =>
    row
      .map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - widthOf(cell)))
      .join(GAP)
      .trimEnd(),
  )
}
