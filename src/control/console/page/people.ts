import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { html } from './html.ts'
import { useAnswer } from './parts.ts'
import { address, ask, go, type Problem, text } from './state.ts'

/** What each code means: its class, its title, and what to do. */
export type Codes = Readonly<Record<string, readonly string[]>>

/** Why the sign-in of a person was refused: a code of the gate in the address to which it sends a browser back. */
export const refusal = signal<string | undefined>(undefined)

/** Where this tab keeps the address at which a person began to sign in. */
const BACK = 'back'

/** Goes on where a person began to sign in, once the issuer has sent the browser back. */
export function goBack(): void {
  const back = sessionStorage.getItem(BACK)
  sessionStorage.removeItem(BACK)
  if (back && location.pathname === '/') go(back, false)
}

/** A button for each issuer at which people sign in. */
export function People({ fail }: { readonly fail: (problem: Problem | undefined) => void }) {
  const issuers = useAnswer<{ readonly issuers: readonly string[] }>('/person').value?.issuers ?? []
  const codes = useAnswer<Codes>('/codes.json').value
  useEffect(() => {
    const { value: code } = refusal
    const [, title, hint] = codes?.[code ?? ''] ?? []
    if (!code || !title || !hint) return
    refusal.value = undefined
    fail({ code, title, hint })
  }, [codes, refusal.value])
  const begin = async (issuer: string) => {
    const { value, problem } = await ask(address('/person/start', { issuer }), 'POST')
    fail(problem)
    if (!value) return
    sessionStorage.setItem(BACK, location.pathname + location.search)
    location.href = text(value.url)
  }
  return issuers.map(
    (issuer) =>
      html`<button type="button" onClick=${() => begin(issuer)}>Sign in at ${issuer}</button>`,
  )
}
