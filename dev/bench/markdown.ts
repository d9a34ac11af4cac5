/** A Markdown table; all columns but the first are numbers, and stand to the right. Without rows it is a sentence. */
export const markdown = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  rows.length === 0
    ? 'Not measured.'
    : [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows]
        .map((cells) => `| ${cells.join(' | ')} |`)
        .join('\n')

/** What stands for a number that is not known. */
export const UNKNOWN = '–'

/** A whole number with commas. */
export const grouped = (value: number): string =>
  String(Math.round(value)).replace(/\B(?=(?:\d{3})+$)/g, ',')

/** With so many decimals, or a dash. What rounds to zero has no sign. */
export const fixed = (digits: number, value: number | undefined): string =>
  value === undefined || Number.isNaN(value)
    ? UNKNOWN
    : value.toFixed(digits).replace(/^-(?=[0.]+$)/, '')
