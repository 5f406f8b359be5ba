/** Something that runs and can be ended. `stop` resolves when it is gone; calling it twice gives the same promise. */
export type Stoppable = { stop(): Promise<void> }

/**
 * Owns what was started in it and stops it in reverse order. One child that fails to stop does not keep the others
 * alive: the failures are collected and thrown together when all have been asked.
 */
export class Scope implements Stoppable {
  readonly #children: { readonly name: string; readonly stop: () => Promise<void> | void }[] = []
  #stopped: Promise<void> | undefined

  /** Registers `stop` to be called, and awaited, before everything registered earlier. */
  add(name: string, stop: () => Promise<void> | void): void {
    if (this.#stopped) throw new Error(`scope is stopped: ${name} was added too late`)
    this.#children.push({ name, stop })
  }

  /** Registers a running thing and gives it back. */
  own<T extends Stoppable>(name: string, child: T): T {
    this.add(name, () => child.stop())
    return child
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll()
    return this.#stopped
  }

  async #stopAll(): Promise<void> {
    const failures: Error[] = []
    for (let child = this.#children.pop(); child; child = this.#children.pop()) {
      try {
        await child.stop()
      } catch (cause) {
        failures.push(new Error(`${child.name} did not stop`, { cause }))
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything stopped')
  }
}

/** Owns what may stop in any order, and stops it all at the same time: the slowest one's time is all that it takes. */
export class Group implements Stoppable {
  readonly #children: { readonly name: string; readonly child: Stoppable }[] = []
  #stopped: Promise<void> | undefined

  /** Registers a running thing and gives it back. */
  own<T extends Stoppable>(name: string, child: T): T {
    if (this.#stopped) throw new Error(`group is stopped: ${name} was added too late`)
    this.#children.push({ name, child })
    return child
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll()
    return this.#stopped
  }

  async #stopAll(): Promise<void> {
    const ends = await Promise.allSettled(this.#children.map(async ({ child }) => child.stop()))
    const failures = ends.flatMap((end, index) =>
      end.status === 'rejected'
        ? [new Error(`${this.#children[index]?.name} did not stop`, { cause: end.reason })]
        : [],
    )
    if (failures.length > 0) throw new AggregateError(failures, 'not everything stopped')
  }
}
