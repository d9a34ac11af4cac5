import { Argument } from 'commander'
import { own } from '../../gate/base/json.ts'
import { type CommandRow, type Surroundings, withGate } from '../base/command.ts'
import { textIn } from '../base/decision-lines.ts'
import { counted } from '../base/file-policy.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { callAs, type GateOptions } from './access.ts'

/** What a token needs to erase. */
const SCOPE = 'edgewarden:audit:erase'

interface EraseOptions extends GateOptions {
  readonly subject: string
  readonly issuer?: string
}

export const auditCommand: CommandRow<EraseOptions> = {
  usage: 'audit erase --subject SUB',
  description: "Remove a person's values from the records of a running gate's audit.",
  example:
    'audit erase --subject alice --issuer https://auth.acme.example --gate https://api.my-company.com --key ops.jwk',
  options: (command) =>
    withGate(command, SCOPE)
      .addArgument(new Argument('<what>', 'what to do').choices(['erase']))
      .requiredOption('--subject <sub>', 'sub of the tokens')
      .option(
        '--issuer <iss>',
        'the issuer of the tokens, as in iss, or its name in the policy (default: the token\'s own, with admin = "own")',
      ),
  help: `
The records stay, without the values. This cannot be undone.
Exit status: 0 all is erased, 1 the gate refused, 2 cannot tell, or not all is erased yet.`,
  run: (_, options, process) => erase(options, process),
}

const erase = async (options: EraseOptions, around: Surroundings): Promise<Outcome> => {
  const { subject, issuer } = options
  let records = 0
  let cursor: string | undefined
  do {
    const body = { subject, issuer, cursor }
    const answer = await callAs(options, SCOPE, around, '/audit/erase', { method: 'POST', body })
    const told = `${counted(records, 'record')} changed.`
    if (!answer.ok) {
      const { reason } = answer
      return { ...reason, err: [...(records > 0 ? [told] : []), ...reason.err] }
    }
    const { body: page } = answer.value
    records += Number(own(page, 'records'))
    if (Number.isNaN(records))
      return cannotTell('The gate answered without a number; is --gate right?')
    cursor = textIn(page, 'cursor')
    const until = textIn(page, 'stopped_until')
    if (until !== undefined) {
      return cannotTell(`${told} The audit's rows of the day are used up: go on after ${until}.`)
    }
  } while (cursor !== undefined)
  const out = `${counted(records, 'record')} changed. Records of the last two seconds may still be stored.`
  return { exitCode: EXIT.yes, json: { records }, out: [out], err: [] }
}
