import { hostName } from '../reading/fields.ts'
import type { Report } from '../reading/issues.ts'
import {
  type ComparedDoc,
  type KeyDocs,
  required,
  type TableInput,
  table,
} from '../reading/table.ts'

export const CONSOLE_KEYS = { host: required(hostName) }

export const CONSOLE_DOCS: KeyDocs<typeof CONSOLE_KEYS> = {
  host: {
    description:
      'The host name of the console, without port. Nothing else is served there: a host of a resource, of a rule or of `hosts` is a mistake.',
    example: 'ops.example.com',
  },
}

/** `GATE.console`. */
export const consoleTable = table(CONSOLE_KEYS)

export const CONSOLE: ComparedDoc<TableInput<typeof CONSOLE_KEYS>> = {
  description:
    'Where the gate serves its [console](console.md), a web page for operators: [its keys](configuration/gate.md#keys-of-gateconsole). It is a mistake with `assertion = "off"`, which leaves the gate without keys.',
  example: { host: 'ops.example.com' },
  compare: 'opaque',
}

interface Beside {
  readonly hosts: ReadonlySet<string>
  readonly resources: ReadonlyMap<string, URL>
  readonly isSigning: boolean
}

/** Reports a console whose host serves an origin too: pages of that origin could act as the operator who is signed in. */
export function checkConsole(
  host: string | undefined,
  { hosts, resources, isSigning }: Beside,
  report: Report,
): void {
  if (host === undefined) return
  if (!isSigning) {
    report([], 'needs the keys that assertion = "off" removes: sessions are signed')
  }
  if (hosts.has(host) || [...resources.values()].some(({ hostname }) => hostname === host)) {
    report(
      ['host'],
      'is also the host of a resource or rule, or in GATE.hosts; give the console a host of its own',
    )
  }
}
