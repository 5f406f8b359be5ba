import {
  keyAuthorizationPolicyCreateSchema,
  keyAuthorizationPolicyPatchSchema,
  keyAuthorizationPolicySchema,
  newKeyAuthorizationPolicy,
} from '../../domain/key-authorization-policy.ts'
import type { Route } from '../rest/route.ts'
import type { KeyDoorDeps } from './content-keys.ts'
import { assertBelow, namedResourceRoutes } from './named-resource.ts'
import type { ResourceDeps } from './ports.ts'

const kind = 'key-authorization-policy'
const MAX_POLICIES = 1_000

const description = `A content key names its policy. Each option is a kind of delivery and what has to be shown for it; whoever meets one of them gets the key.

| \`restriction\` | |
|---|---|
| \`open\` | anybody |
| \`ip\` | the addresses and networks that it lists |
| \`token\` | a JSON Web Token (HS, RS, PS, ES, EdDSA) or, of old clients, a simple web token, of the issuer, for the audience and with the claims that are required, signed with one of the keys, or with one that the issuer publishes |

Where the claim \`urn:microsoft:azure:mediaservices:contentkeyidentifier\` is required it must equal the KID.`

/** `/v1/key-authorization-policies`. */
export function keyAuthorizationPolicyRoutes(deps: ResourceDeps & KeyDoorDeps): Route[] {
  return namedResourceRoutes(deps, {
    kind,
    collection: 'key-authorization-policies',
    names: ['KeyAuthorizationPolicy', 'KeyAuthorizationPolicies'],
    schemas: {
      entity: keyAuthorizationPolicySchema,
      view: keyAuthorizationPolicySchema,
      create: keyAuthorizationPolicyCreateSchema,
      patch: keyAuthorizationPolicyPatchSchema,
    },
    texts: {
      entity: 'The key authorisation policy.',
      page: 'A page of policies.',
      list: 'List key authorisation policies',
      create: 'Create a key authorisation policy',
      description,
      read: 'Read a key authorisation policy',
      update: 'Change a key authorisation policy: it holds from the next request on',
      delete: 'Delete a key authorisation policy that nothing refers to',
    },
    async make({ accountId, body }) {
      await assertBelow(MAX_POLICIES, deps, { kind, plural: 'key authorisation policies', accountId })
      return newKeyAuthorizationPolicy(body, accountId, deps.random)
    },
    // No key names one that is new.
    written: (step, { accountId }) => (step === 'create' ? undefined : deps.keyDoors.changed(accountId)),
  })
}
