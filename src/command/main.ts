#!/usr/bin/env node
import { createInterface } from 'node:readline/promises'
import { text as textOf } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command, CommanderError } from 'commander'
import { type Ask, nameOf, type Process } from './base/command.ts'
import { ownManifest } from './base/files.ts'
import { cannotTell, EXIT, type Outcome, render, shownLine } from './base/output.ts'
import { COMMANDS } from './commands.ts'

const wantsJson = process.argv.includes('--json')
const around: Process = {
  env: process.env,
  now: () => Date.now() / 1000,
  stdin: () => textOf(process.stdin),
  waiting: {
    elapsed: () => performance.now(),
    sleep: (ms) => sleep(ms),
    tell: (line) => void (wantsJson || process.stderr.write(`${shownLine(line)}\n`)),
  },
  print: (line) => void process.stdout.write(`${shownLine(line)}\n`),
  ...(process.stdin.isTTY && process.stderr.isTTY && !wantsJson && { converse }),
}

// The reader of the output has gone (`| head`), or the disk is full: the output was not delivered.
process.stdout.on('error', () => {
  process.exitCode = EXIT.unknown
})
// A failure to write warnings and notes does not change the exit status.
process.stderr.on('error', () => {})

const print = (outcome: Outcome): void => {
  const { stdout, stderr } = render(outcome, wantsJson)
  if (stdout !== '') process.stdout.write(stdout)
  if (stderr !== '') process.stderr.write(stderr)
  process.exitCode = outcome.exitCode
}

const program = new Command('edgewarden')
  .version(ownManifest().version)
  .description('Commands for a gate in front of AI APIs and MCP servers.')
  .exitOverride()
  .configureOutput({ outputError: () => {} })
  .addHelpText('after', '\nExit status: 0 yes, 1 the answer is no, 2 cannot tell.')

for (const row of COMMANDS) {
  const { description, example, help = '' } = row
  const command = program
    .command(nameOf(row))
    .description(description)
    .option('--json', 'print one JSON document on standard output')
    .addHelpText('after', `\nExample:\n  npx edgewarden ${example}`)
  row
    .options(command)
    .addHelpText('after', help)
    .action(async () => print(await row.run(command.processedArgs, command.opts(), around)))
}

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) {
    print(cannotTell('Something in this command itself is broken; please report it.'))
  } else if (error.exitCode === 0) {
    process.exitCode = EXIT.yes
  } else if (error.code === 'commander.help') {
    process.exitCode = EXIT.unknown
  } else {
    // Only the option's name is printed: the value of a misspelt option may be a token.
    const message = error.message.replace(/^error: /, '').replace(/('--[^'=]+)=[^']*/, '$1')
    const isOption = error.code === 'commander.unknownOption'
    const dash = isOption ? '; a value that begins with - comes last, after --' : ''
    const [word = ''] = program.args
    const named = COMMANDS.some((row) => nameOf(row) === word) ? `${word} ` : ''
    print(
      cannotTell(`${message.replaceAll('\n', ' ')} (see: npx edgewarden ${named}--help${dash})`),
    )
  }
}

async function converse(dialogue: (ask: Ask) => Promise<void>): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // One reader for all questions: it keeps lines that come before their question, such as pasted ones, and ends at ^C
  // and ^D.
  const lines = terminal[Symbol.asyncIterator]()
  try {
    await dialogue(async (question) => {
      terminal.setPrompt(question)
      terminal.prompt()
      return (await lines.next()).value
    })
  } finally {
    terminal.close()
  }
}
