import { printable } from './output.ts'

/** Characters between two columns. */
const GAP = '  '

const widthOf = (text: string): number => [...text].length

/**
 * Rows as lines whose cells stand below each other; nothing follows the last cell of a line. Cells
 * are made printable first, because escapes are wider than what they stand for.
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
