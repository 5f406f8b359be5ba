import type { PublicAddresses, ResourceDeps } from './ports.ts'

/** Hears of what is published no more. */
export type PublicationWatch = {
  /** Resolves when no origin of this node answers for the locator any more. */
  withdrawn(locatorId: string): Promise<void>
  /**
   * How assets are delivered has changed, of an asset, a policy or a key: resolves when every origin of this node goes by it. Absent: there is none.
   * @throws AppError `PART_UNRESPONSIVE`
   */
  deliveryChanged?(id: string): Promise<void>
}

/** What locators need beside what every resource does. */
export type LocatorDeps = ResourceDeps & {
  readonly publications: PublicationWatch
  readonly addresses: Pick<PublicAddresses, 'streamingUrl'>
}
