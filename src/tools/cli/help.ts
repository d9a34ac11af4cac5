import { TOKEN_VARIABLE } from './access.ts'

/** What `--help` says of a command beside its options. */

export const EXPLAIN_HELP = `
Other users of this machine can see a token that is written on the command line: prefer @FILE or -.
By wrangler.toml nothing is fetched: the issuer's keys are those in the policy or in --jwks FILE, and
no revocation is known. --gate asks a running gate, which forwards nothing; the token of the call
itself is --key, --token-file, --token-env or ${TOKEN_VARIABLE}.
Exit status: 0 allowed, 1 denied (also where shadow mode lets it pass), 2 cannot tell.`

export const DOCTOR_HELP = `
Asks from this machine: whether the gate's network reaches the issuer is not known by it. Other users
of this machine can see a token that is written on the command line: prefer @FILE or -.
Exit status: 0 in order (warnings or not), 1 something is wrong, 2 cannot tell: no answer.`

export const ROUTES_HELP = `
With one of these options it lists the rules that such an agent could reach. What is not given is not
held against it: STILL ASKS has whatever a rule asks that the options do not say.
Exit status: 0 there are rules, 1 there are none that it could reach, 2 cannot tell.`

export const DIFF_HELP = `
Compares what the two policies let pass, not how they are written, and the tables of the bindings that
both name. What cannot be compared, such as two conditions, counts as wider. The values of secrets and
the addresses of the Worker are not looked at.
Exit status: 0 access does not widen, 1 it widens, 2 cannot tell: a file has no valid policy.`

export const REVOKE_HELP = `
A value that begins with - stands last, behind --. Without --wait the command tells when the revocation
will be in effect everywhere; with it the command ends then, and tells how long it took. Both read the
policy of the gate (scope edgewarden:read) for the longest bound of a rule that the token may see.
Exit status: 0 every shard has it (with --wait: it is in effect), 1 the gate said no, or GATE.lift
names it, 2 cannot tell.`

/** Of commands that can sign their own token; `scope` is what it needs. */
export function keyHelp(scope: string): string {
  return `\n
With --key the command signs its own token (60 s, scope ${scope}). The token's audience
is --audience, or the resource that GATE/.well-known/oauth-protected-resource tells: only when that
has the origin of --gate, or the gate is on this machine.`
}
