/** What tests make objects fail with, and what these say of it: of each such failure workerd tells. */
const EXPECTED = [
  ...[
    'unreachable',
    'down',
    'deaf',
    'late',
    'lost',
    'left',
    'crashed',
    'the answer (?:was|is) lost',
    'malformed answer',
  ],
  'the (?:audit|set) is down',
  ...['shard \\d+ is not the primary', 'data of schema (?:0|2|99|1, or garbled)'],
  ...['no such table: (?:log|replicas)', 'NOT NULL constraint failed: entries\\.created_by'],
].join('|')

const CRASH = new RegExp(`^uncaught exception; .*\\bError: (?:${EXPECTED})\\b`)

/** Vitest's global setup: keeps what workerd tells of expected failures from the output; all else stays. */
export default function setup(): () => void {
  const { stdout } = process
  const write = stdout.write
  stdout.write = ((...args: Parameters<typeof write>) =>
    CRASH.test(String(args[0])) || write.apply(stdout, args)) as typeof write
  return () => {
    stdout.write = write
  }
}
