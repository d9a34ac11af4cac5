/** What files can share: it can be put back to how it began. */
interface Shared {
  anew(): Promise<void>
}

const begun = new Map<string, Promise<Shared>>()
const ready = new Map<string, Promise<Shared>>()

/** To be called as a file begins: what it shares with files before it begins anew. */
export const beginFile = (): void => ready.clear()

/** What all files of a process share under this name; it ends with the process. */
export function shared<T extends Shared>(name: string, start: () => Promise<T>): Promise<T> {
  const one = (begun.get(name) ?? start()) as Promise<T>
  begun.set(name, one)
  const here = (ready.get(name) ?? one.then((it) => it.anew().then(() => it))) as Promise<T>
  ready.set(name, here)
  return here
}
