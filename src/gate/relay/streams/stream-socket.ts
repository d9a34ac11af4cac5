import { maskBytes, maskText } from '../secrets/mask.ts'
import type { Spelled } from '../secrets/secret-encodings.ts'
import type { Ending } from './stream-watch.ts'

/** A WebSocket of workerd. */
export interface Socket {
  binaryType: string
  accept(): void
  send(data: string | ArrayBuffer): void
  close(code?: number, reason?: string): void
  addEventListener(type: string, listener: (event: SocketEvent) => void): void
}

interface SocketEvent {
  readonly data: string | ArrayBuffer
  readonly code: number
  readonly reason: string
}

/** RFC 6455 §7.4.1: no status was received; the connection was lost. */
const NO_STATUS = 1005
const LOST = 1006
const INTERNAL_ERROR = 1011

/**
 * Relays between the origin's WebSocket and the agent. Messages and close codes are unchanged,
 * pings are answered per side, and a lost side closes the other with 1011. Calls `over` once a side
 * has closed. Masks the origin's secrets. A text message that `take` takes does not reach the origin. Backlogs are
 * buffered in memory without a bound. Returns the agent's side for the answer; `cut` closes both sides and drops later
 * messages; `tell` sends the agent a message.
 */
export function relay(
  origin: Socket,
  over: () => void,
  { secrets, take }: { readonly secrets?: Spelled; readonly take?: (text: string) => boolean } = {},
) {
  const { WebSocketPair } = globalThis as unknown as {
    readonly WebSocketPair: new () => { readonly 0: Socket; readonly 1: Socket }
  }
  const { 0: agent, 1: gate } = new WebSocketPair()
  let isOpen = true
  const close = (closing: () => void) => {
    if (!isOpen) return
    isOpen = false
    closing()
    over()
  }
  link(origin, gate, secrets)
  link(gate, origin, undefined, take)
  origin.accept()
  gate.accept()
  return {
    agent,
    tell(text: string): void {
      if (isOpen) attempt(() => gate.send(text))
    },
    cut: ({ closeCode, code }: Ending) =>
      close(() => {
        for (const side of [gate, origin]) attempt(() => side.close(closeCode, code))
      }),
  }

  function link(
    from: Socket,
    to: Socket,
    hidden?: Spelled,
    take?: (text: string) => boolean,
  ): void {
    from.binaryType = 'arraybuffer'
    from.addEventListener('message', ({ data }) => {
      if (!isOpen || (typeof data === 'string' && take?.(data))) return
      attempt(() => to.send(hidden ? maskMessage(data, hidden) : data))
    })
    from.addEventListener('error', () => {
      close(() => {
        for (const side of [from, to]) attempt(() => side.close(INTERNAL_ERROR))
      })
    })
    from.addEventListener('close', ({ code, reason }) => {
      close(() => {
        // Reserved codes (RFC 6455 §7.4.1) cannot be sent; 1011 closes instead.
        if (!attempt(() => closeAs(to, code, hidden ? maskText(reason, hidden) : reason)))
          attempt(() => to.close(INTERNAL_ERROR))
      })
    })
  }
}

const maskMessage = (data: string | ArrayBuffer, hidden: Spelled): string | ArrayBuffer =>
  typeof data === 'string' ? maskText(data, hidden) : maskBytes(new Uint8Array(data), hidden).buffer

const closeAs = (socket: Socket, code: number, reason: string): void => {
  if (code === NO_STATUS) socket.close()
  else if (code === LOST) socket.close(INTERNAL_ERROR)
  else socket.close(code, reason)
}

/** Errors are ignored: a closed side also sends an event. */
const attempt = (act: () => void): boolean => {
  try {
    act()
    return true
  } catch {
    return false
  }
}
