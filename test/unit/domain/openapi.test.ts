import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import * as account from '../../../src/domain/account.ts'
import * as asset from '../../../src/domain/asset.ts'
import * as assetFile from '../../../src/domain/asset-file.ts'
import { auditRecordSchema } from '../../../src/domain/audit-record.ts'
import * as channel from '../../../src/domain/channel.ts'
import * as contentKey from '../../../src/domain/content-key.ts'
import * as credential from '../../../src/domain/credential.ts'
import * as deliveryPolicy from '../../../src/domain/delivery-policy.ts'
import * as subscription from '../../../src/domain/event-subscription.ts'
import { eventSchema } from '../../../src/domain/events.ts'
import * as filter from '../../../src/domain/filter.ts'
import * as job from '../../../src/domain/job.ts'
import * as keyPolicy from '../../../src/domain/key-authorization-policy.ts'
import * as locator from '../../../src/domain/locator.ts'
import { mediaProcessorSchema } from '../../../src/domain/media-processor.ts'
import * as mediaStream from '../../../src/domain/media-stream.ts'
import { operationSchema } from '../../../src/domain/operation.ts'
import { problemSchema } from '../../../src/domain/problem.ts'
import * as program from '../../../src/domain/program.ts'
import * as storageAccount from '../../../src/domain/storage-account.ts'
import * as endpoint from '../../../src/domain/streaming-endpoint.ts'
import { taskSchema } from '../../../src/domain/task.ts'

/** What requests hold. */
const requests = {
  AccountCreate: account.accountCreateSchema,
  AccountPatch: account.accountPatchSchema,
  AssetCreate: asset.assetCreateSchema,
  AssetPatch: asset.assetPatchSchema,
  AssetFileCreate: assetFile.assetFileCreateSchema,
  AssetFilePatch: assetFile.assetFilePatchSchema,
  ChannelCreate: channel.channelCreateSchema,
  ChannelPatch: channel.channelPatchSchema,
  ChannelRotateKey: channel.rotateKeySchema,
  ChannelStop: channel.channelStopSchema,
  ContentKeyCreate: contentKey.contentKeyCreateSchema,
  ContentKeyPatch: contentKey.contentKeyPatchSchema,
  CredentialCreate: credential.credentialCreateSchema,
  CredentialPatch: credential.credentialPatchSchema,
  DeliveryPolicyCreate: deliveryPolicy.deliveryPolicyCreateSchema,
  DeliveryPolicyPatch: deliveryPolicy.deliveryPolicyPatchSchema,
  EventSubscriptionCreate: subscription.eventSubscriptionCreateSchema,
  EventSubscriptionPatch: subscription.eventSubscriptionPatchSchema,
  FilterCreate: filter.filterCreateSchema,
  FilterPatch: filter.filterPatchSchema,
  JobCreate: job.jobCreateSchema,
  JobPatch: job.jobPatchSchema,
  KeyAuthorizationPolicyCreate: keyPolicy.keyAuthorizationPolicyCreateSchema,
  KeyAuthorizationPolicyPatch: keyPolicy.keyAuthorizationPolicyPatchSchema,
  LocatorCreate: locator.locatorCreateSchema,
  MediaStreamCreate: mediaStream.mediaStreamCreateSchema,
  MediaStreamPatch: mediaStream.mediaStreamPatchSchema,
  ProgramCreate: program.programCreateSchema,
  ProgramPatch: program.programPatchSchema,
  StorageAccountCreate: storageAccount.storageAccountCreateSchema,
  StorageAccountPatch: storageAccount.storageAccountPatchSchema,
  StreamingEndpointPatch: endpoint.streamingEndpointPatchSchema,
}

/** What answers hold. */
const answers = {
  Account: account.accountSchema,
  Asset: asset.assetSchema,
  AssetFile: assetFile.assetFileSchema,
  AuditRecord: auditRecordSchema,
  Channel: channel.channelViewSchema,
  ContentKey: contentKey.contentKeyViewSchema,
  Credential: credential.credentialViewSchema,
  CredentialCreated: credential.credentialCreatedSchema,
  DeadLetter: subscription.deadLetterSchema,
  DeliveryPolicy: deliveryPolicy.deliveryPolicySchema,
  Event: eventSchema,
  EventSubscription: subscription.eventSubscriptionViewSchema,
  Filter: filter.filterSchema,
  Job: job.jobSchema,
  KeyAuthorizationPolicy: keyPolicy.keyAuthorizationPolicySchema,
  Locator: locator.locatorViewSchema,
  MediaProcessor: mediaProcessorSchema,
  MediaStream: mediaStream.mediaStreamSchema,
  Operation: operationSchema,
  Problem: problemSchema,
  Program: program.programSchema,
  StorageAccount: storageAccount.storageAccountViewSchema,
  StreamingEndpoint: endpoint.streamingEndpointViewSchema,
  Task: taskSchema,
}

function document() {
  const registry = new OpenAPIRegistry()
  for (const [name, schema] of Object.entries({ ...requests, ...answers })) {
    registry.registerPath({
      method: 'get',
      path: `/${name}`,
      responses: { 200: { description: 'It.', content: { 'application/json': { schema } } } },
    })
  }
  const info = { title: 'Schemas', version: '1' }
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({ openapi: '3.1.0', info })
}

const generated = document()
const components = generated.components?.schemas ?? {}

describe('the schemas as OpenAPI 3.1', () => {
  it('are what an independent reader takes', async () => {
    const config = await createConfig({ rules: { struct: 'error', 'no-unresolved-refs': 'error' } })
    const problems = await lintFromString({ source: JSON.stringify(generated), config })
    expect(problems.map(({ message, location }) => `${location[0]?.pointer}: ${message}`)).toEqual([])
  })

  it('all have a component of their own name, with a description', () => {
    for (const name of Object.keys({ ...requests, ...answers })) {
      expect(components[name], name).toMatchObject({ description: expect.stringMatching(/\.$/) })
    }
  })

  it('name every field in camelCase', () => {
    const names = new Set<string>()
    JSON.stringify(components, (key, value) => {
      if (key === 'properties') for (const name of Object.keys(value)) names.add(name)
      return value
    })
    expect([...names].filter((name) => !/^[a-z][A-Za-z0-9]*$/.test(name))).toEqual([])
    expect(names.size).toBeGreaterThan(100)
  })

  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: 'openapi', components: generated.components })

  it.each(Object.entries(requests))('%s has an example that both sides accept', (name, schema) => {
    const example = schema.meta()?.['example'] ?? {}
    expect(schema.safeParse(example).error?.issues ?? []).toEqual([])
    const check = ajv.getSchema(`openapi#/components/schemas/${name}`)
    expect(check?.(example) === true ? [] : check?.errors).toEqual([])
    expect(check?.({ noSuchField: 1 })).toBe(false)
  })
})
