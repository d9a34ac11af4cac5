import { relative } from 'node:path'

/** Forms that other tools read. */
export const REPORTS = ['github', 'sarif', 'junit'] as const

export type ReportForm = (typeof REPORTS)[number]

/** Something that is wrong at a place of a file. */
export interface Fault {
  readonly rule:
    | 'policy-check'
    | 'policy-test'
    | 'policy-coverage'
    | 'policy-diff'
    | 'policy-openapi'
  readonly file: string
  readonly line: number
  readonly title: string
  readonly message: string
}

/** A case that was judged. */
export interface Judged {
  readonly file: string
  readonly line: number
  readonly name: string
  readonly failures: readonly string[]
}

/** The lines of a report. */
export function reportLines(
  form: ReportForm,
  cases: readonly Judged[],
  faults: readonly Fault[],
): readonly string[] {
  if (form === 'github') return faults.map(annotation)
  return form === 'sarif'
    ? JSON.stringify(sarif(faults), null, 2).split('\n')
    : junit(cases, faults)
}

/** The path of a file, relative to the folder in which the command runs. */
const place = (file: string): string => relative('', file).replaceAll('\\', '/')

/** A line that GitHub shows at its place in the change. */
export function annotation({ file, line, title, message }: Fault): string {
  const data = (text: string) =>
    text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  const property = (text: string) => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
  return `::error file=${property(place(file))},line=${line},title=${property(title)}::${data(message)}`
}

/** SARIF 2.1.0, as code scanning reads it. */
const sarif = (faults: readonly Fault[]) => ({
  $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
  version: '2.1.0',
  runs: [
    {
      tool: {
        driver: {
          name: 'edgewarden',
          rules: [...new Set(faults.map(({ rule }) => rule))].map((id) => ({ id })),
        },
      },
      results: faults.map(({ rule, file, line, title, message }) => ({
        ruleId: rule,
        level: 'error',
        message: { text: `${title}: ${message}` },
        locations: [
          {
            physicalLocation: {
              artifactLocation: { uri: encodeURI(place(file)) },
              region: { startLine: line },
            },
          },
        ],
      })),
    },
  ],
})

/** One suite for each file, and a case more for the rules that no case reaches. */
const junit = (cases: readonly Judged[], faults: readonly Fault[]): readonly string[] => {
  const others = faults.filter(({ rule }) => rule !== 'policy-test')
  const all = [
    ...cases,
    ...others.map(({ message, title, ...at }) => ({ ...at, name: title, failures: [message] })),
  ]
  const failed = (some: readonly Judged[]) =>
    some.filter(({ failures }) => failures.length > 0).length
  const suites = [...new Set(all.map(({ file }) => file))].flatMap((file) => {
    const own = all.filter((one) => one.file === file)
    const name = xml(place(file))
    return [
      `  <testsuite name="${name}" tests="${own.length}" failures="${failed(own)}">`,
      ...own.flatMap((one) => [
        `    <testcase name="${xml(one.name)}" classname="${name}" file="${name}" line="${one.line}">`,
        ...one.failures.map((text) => `      <failure message="${xml(text)}"/>`),
        '    </testcase>',
      ]),
      '  </testsuite>',
    ]
  })
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="edgewarden" tests="${all.length}" failures="${failed(all)}">`,
    ...suites,
    '</testsuites>',
  ]
}

/** XML 1.0 has no control characters, not even escaped. */
const xml = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, ' ')
    .replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)
