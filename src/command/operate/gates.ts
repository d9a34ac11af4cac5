import { objectOf, own } from '../../gate/base/json.ts'
import { DEFAULT_PREFIX } from '../../gate/policy/keys/gate.ts'
import type { Process } from '../base/command.ts'
import { gateAddress } from '../base/gate-client.ts'
import { EXIT, type ExitCode, type Outcome } from '../base/output.ts'
import type { GateOptions } from './access.ts'

/** The options of a command that does the same at each gate. */
export type AtGates<Options extends GateOptions> = Omit<Options, 'gate'> & {
  readonly gate: readonly string[]
}

/**
 * Does the same at each gate at once, and waits for all. With one gate the outcome is that of the gate. With several each
 * line begins with the gate; a gate that refuses does not stop the others, and nobody is asked. `gone`: the code of a
 * refusal that is a yes where another gate says yes, as gates may share what a command removes.
 */
export async function atGates<Options extends GateOptions>(
  options: AtGates<Options>,
  { converse, ...process }: Process,
  run: (options: Options, process: Process) => Promise<Outcome>,
  gone?: string,
): Promise<Outcome> {
  const at = (gate: string) => ({ ...options, gate }) as unknown as Options
  const gates = new Map(options.gate.map((gate, index) => [shownGate(gate, index), gate]))
  const [first = '', ...others] = gates.values()
  if (others.length === 0) return run(at(first), { ...process, ...(converse && { converse }) })
  let input: Promise<string> | undefined
  const stdin = () => (input ??= process.stdin())
  const outcomes = await Promise.all(
    [...gates].map(async ([name, gate]) => {
      const label = (line: string) => `${name}: ${line}`
      const waiting = {
        ...process.waiting,
        tell: (line: string) => process.waiting.tell(label(line)),
      }
      const print = (line: string) => process.print(label(line))
      return { name, label, ...(await run(at(gate), { ...process, stdin, waiting, print })) }
    }),
  )
  const isDone = outcomes.some(({ exitCode }) => exitCode === EXIT.yes)
  const codeOf = ({ exitCode, json }: Outcome): ExitCode => {
    const code = own(objectOf(own(objectOf(json), 'problem')), 'code')
    return isDone && gone !== undefined && code === gone ? EXIT.yes : exitCode
  }
  const codes = outcomes.map(codeOf)
  return {
    exitCode: [EXIT.no, EXIT.unknown].find((code) => codes.includes(code)) ?? EXIT.yes,
    json: {
      gates: outcomes.map(({ name, json }, i) => ({
        gate: name,
        exit_status: codes[i],
        ...objectOf(json),
      })),
    },
    out: outcomes.flatMap(({ label, out }) => out.map(label)),
    err: outcomes.flatMap(({ label, err }) => err.map(label)),
  }
}

/** The gate as it is named in the output. What is no address may contain a password, and is not shown. */
const shownGate = (gate: string, index: number): string => {
  const address = gateAddress(gate, DEFAULT_PREFIX)
  return address.ok ? address.value.origin : `--gate ${index + 1}`
}
