import { grouped } from '../markdown.ts'
import type { Growth, Series } from './report.ts'
import { amount } from './words.ts'

/** Pixels: of the picture, and of what is left and right of the lines and below them. */
const WIDTH = 640
const SIDE = { left: 70, right: 40, below: 40 }
const TALL = 170
/** Of a line of the legend. */
const LINE = 18

/** On a ground of their own, so that they can be read on pages of either colour. */
const STYLE = `
svg { font: 12px sans-serif; fill: #333; background: #fff }
.ground { fill: #fff } .grid { stroke: #ddd } .line { fill: none; stroke-width: 2 }
.c0 { --c: #1b62c4 } .c1 { --c: #b3400f } .c2 { --c: #1f7a3d } .c3 { --c: #8338a8 } .c4 { --c: #7a6a00 }
.line { stroke: var(--c) } .dot, .key, .name { fill: var(--c) }
@media (prefers-color-scheme: dark) {
  svg { fill: #ccc; background: #16181d } .ground { fill: #16181d } .grid { stroke: #3a3d45 }
  .c0 { --c: #7fb2ff } .c1 { --c: #ff9d73 } .c2 { --c: #6fd08f } .c3 { --c: #d59cf2 } .c4 { --c: #d8c54a }
}`

type Scale = (value: number) => number

/** Logarithmic; nothing is one step before the first of the sizes above it. */
const acrossOf = (sizes: readonly number[]): Scale => {
  const positive = sizes.filter((size) => size > 0)
  const [first = 1, last = 1] = [positive[0], positive.at(-1)]
  const [from, to] = [Math.log10(first) - (sizes.includes(0) ? 1 : 0), Math.log10(last)]
  const wide = WIDTH - SIDE.left - SIDE.right
  return (size) =>
    SIDE.left + (((size > 0 ? Math.log10(size) : from) - from) / (to - from || 1)) * wide
}

/** Powers of ten, from below all values to above them. */
const decadesOf = (values: readonly number[]): readonly number[] => {
  const known = values.filter((value) => value > 0).map(Math.log10)
  const from = Math.floor(Math.min(...known))
  const to = Math.max(Math.ceil(Math.max(...known)), from + 1)
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

const at = (value: number): string => value.toFixed(1).replace(/\.0$/, '')

const text = (x: number, y: number, words: string, anchor = 'middle', kind = ''): string =>
  `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}"${kind}>${words}</text>`

/** Lines of one unit: the legend, the grid, and the lines. */
const panel = (
  lines: readonly (Series & { readonly colour: number })[],
  across: Scale,
  sizes: readonly number[],
  top: number,
): readonly string[] => {
  const unit = lines[0]?.unit ?? 's'
  const decades = decadesOf(lines.flatMap(({ points }) => points.map(([, value]) => value)))
  const [least = 0, most = 1] = [decades[0], decades.at(-1)]
  const above = top + lines.length * LINE + 8
  const y: Scale = (power) => above + ((most - power) / (most - least)) * TALL
  const place = ([size, value]: readonly [number, number]) =>
    [at(across(size)), at(y(Math.max(Math.log10(value), least)))] as const
  return [
    ...lines.flatMap(({ what, colour }, i) => [
      `<circle class="key c${colour}" cx="${SIDE.left + 4}" cy="${top + (i + 1) * LINE - 4}" r="3.5"/>`,
      text(
        SIDE.left + 14,
        top + (i + 1) * LINE,
        what.replace(/,$/, ''),
        'start',
        ` class="name c${colour}"`,
      ),
    ]),
    ...decades.flatMap((power) => [
      `<path class="grid" d="M${SIDE.left} ${at(y(power))}H${WIDTH - SIDE.right}"/>`,
      text(SIDE.left - 8, y(power) + 4, amount(10 ** power, unit), 'end'),
    ]),
    ...sizes.map((size) => text(across(size), above + TALL + 18, grouped(size))),
    ...lines.flatMap(({ points, colour }) => {
      const places = points.filter(([, value]) => !Number.isNaN(value)).map(place)
      const dots = places.map(
        ([cx, cy]) => `<circle class="dot c${colour}" cx="${cx}" cy="${cy}" r="3.5"/>`,
      )
      const path = places.map((one) => one.join(',')).join(' ')
      return [`<polyline class="line c${colour}" points="${path}"/>`, ...dots]
    }),
  ]
}

/** A plot as SVG; both axes are logarithmic. Times and memory stand in panels of their own. */
export const plotOf = ({ of, series }: Growth): string => {
  const sizes = [...new Set(series.flatMap(({ points }) => points.map(([size]) => size)))]
  sizes.sort((a, b) => a - b)
  const across = acrossOf(sizes)
  const coloured = series.map((one, colour) => ({ ...one, colour }))
  const panels = [...Map.groupBy(coloured, ({ unit }) => unit).values()]
  let top = 4
  const drawn = panels.flatMap((lines) => {
    const own = panel(lines, across, sizes, top)
    top += lines.length * LINE + 8 + TALL + SIDE.below
    return own
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top + 8}" role="img">`,
    `<title>What grows with the ${of}</title>`,
    `<style>${STYLE}\n</style>`,
    '<rect class="ground" width="100%" height="100%"/>',
    ...drawn,
    text((SIDE.left + WIDTH - SIDE.right) / 2, top, `${of} (both axes logarithmic)`),
    '</svg>',
    '',
  ].join('\n')
}
