import { fixed, grouped, markdown } from './markdown.ts'
import type { Report } from './report.ts'

/** What a large revocation set costs, as a Markdown table. */
export const renderRevocations = ({ revocations }: Pick<Report, 'revocations'>): string => {
  if (!revocations) return markdown([], [])
  const { entries, copyBytes, storedBytes, lookup, first, changes, strict } = revocations
  return markdown(
    [`${grouped(entries)} entries`, ''],
    [
      [
        'copy in an isolate',
        `${fixed(1, copyBytes / 1e6)} MB, ${fixed(1, copyBytes / entries)} bytes an entry`,
      ],
      ['looking a hash up in the copy, one that is in it', `${grouped(lookup.hit)} ns`],
      ['looking up one that is not', `${grouped(lookup.miss)} ns`],
      [
        `first pull, ${first.pages} pages, by the first isolate since a change`,
        `${grouped(first.unpacked)} ms`,
      ],
      ['first pull by any other isolate', `${grouped(first.packed)} ms`],
      ['of these the isolate itself is busy', `${grouped(first.own)} ms`],
      ...changes.map(({ count, ms }) => [
        count === 0 ? 'pull of no changes' : `pull of ${grouped(count)} changes`,
        `${milliseconds(ms)} ms`,
      ]),
      ['strict lookup of six subjects in the object, none revoked', `${grouped(strict.miss)} µs`],
      ['one of them revoked', `${grouped(strict.hit)} µs`],
      ['strict lookup as a Worker in the same process calls it', `${grouped(strict.call)} µs`],
      ["in the object's storage", `${grouped(storedBytes / entries)} bytes an entry`],
    ],
  )
}

const milliseconds = (ms: number): string => fixed(ms < 10 ? 1 : 0, ms)
