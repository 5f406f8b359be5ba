import type { InputFault, InputName, SwitchReason } from '../ports.ts'

/** How an input stands, as far as the choice depends on it. */
export type Standing = {
  readonly fault: InputFault | undefined
  /** For how long it has had no fault. */
  readonly wellForMs: number
}

/** What the choice is made with: whatever it reads may change. */
export type SwitchPolicyOptions = {
  /** How long the primary has to be well before it is returned to. */
  readonly returnAfterMs: () => number
}

/** An input that has just come, or come back from a hiccup that both had, is not gone over to at once. */
const PROVEN_MS = 500
/** A primary that fails again within this time of the return is trusted less: it has to be well for twice as long each time. */
const RELAPSE_MS = 600_000
const MAX_DISTRUST = 16

/**
 * Which of two inputs is on the air. One that fails is left for one that does not; of two that are well the primary is preferred,
 * but returned to only when it has been well for a while, and for longer the more often it let us down.
 */
export class SwitchPolicy {
  readonly #options: SwitchPolicyOptions
  #distrust = 1
  #returnedMs: number | undefined

  constructor(options: SwitchPolicyOptions) {
    this.#options = options
  }

  /** How long the primary would have to be well now, in ms. */
  get returnAfterMs(): number {
    return this.#options.returnAfterMs() * this.#distrust
  }

  /** Why the one on the air should be left for the other, if it should; a return is made at a key frame. */
  choose(active: InputName, standings: Readonly<Record<'active' | 'standby', Standing>>): SwitchReason | undefined {
    const { active: mine, standby: other } = standings
    if (other.fault || other.wellForMs < PROVEN_MS) return undefined
    if (mine.fault) return mine.fault
    return active === 'secondary' && other.wellForMs >= this.returnAfterMs ? 'preferred' : undefined
  }

  switched(to: InputName, reason: SwitchReason, nowMs: number): void {
    if (to === 'primary') {
      this.#returnedMs = nowMs
      return
    }
    const isRelapse = this.#returnedMs !== undefined && nowMs - this.#returnedMs < RELAPSE_MS
    if (reason !== 'preferred') this.#distrust = isRelapse ? Math.min(MAX_DISTRUST, this.#distrust * 2) : 1
  }
}
