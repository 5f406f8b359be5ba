import {
  deliveryPolicyCreateSchema,
  deliveryPolicyPatchSchema,
  deliveryPolicySchema,
  newDeliveryPolicy,
} from '../../domain/delivery-policy.ts'
import type { Route } from '../rest/route.ts'
import type { LocatorDeps } from './locator-deps.ts'
import { assertBelow, namedResourceRoutes } from './named-resource.ts'
import type { ResourceDeps } from './ports.ts'
import { assertPolicyRotation } from './rotation-check.ts'

const kind = 'delivery-policy'
const MAX_POLICIES = 1_000

const description = `An asset or a locator names its policy. Without one everything is delivered in the clear; with any, what it does not list is blocked. The predefined streaming
policies of Azure Media Services may be named wherever a policy’s id is, and are in no list: \`Predefined_ClearStreamingOnly\`,
\`Predefined_DownloadOnly\`, \`Predefined_DownloadAndClearStreaming\`, \`Predefined_ClearKey\`, \`Predefined_MultiDrmStreaming\`,
\`Predefined_MultiDrmCencStreaming\`.`

/** `/v1/delivery-policies`. */
export function deliveryPolicyRoutes(deps: ResourceDeps & Pick<LocatorDeps, 'publications'>): Route[] {
  return namedResourceRoutes(deps, {
    kind,
    collection: 'delivery-policies',
    names: ['DeliveryPolicy', 'DeliveryPolicies'],
    schemas: {
      entity: deliveryPolicySchema,
      view: deliveryPolicySchema,
      create: deliveryPolicyCreateSchema,
      patch: deliveryPolicyPatchSchema,
    },
    texts: {
      entity: 'The delivery policy.',
      page: 'A page of policies.',
      list: 'List delivery policies',
      create: 'Create a delivery policy',
      description,
      read: 'Read a delivery policy',
      update: 'Change a delivery policy: it holds from the next request on',
      delete: 'Delete a delivery policy that nothing refers to',
    },
    async make({ accountId, body }) {
      await assertBelow(MAX_POLICIES, deps, { kind, plural: 'delivery policies', accountId })
      return newDeliveryPolicy(body, accountId, deps.random)
    },
    check: (next) => assertPolicyRotation(deps, next),
    // Nothing refers to one that is new, or deleted.
    written: (step, { id }) => (step === 'update' ? deps.publications.deliveryChanged?.(id) : undefined),
  })
}
