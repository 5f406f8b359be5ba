/** Who gets in: A admin, O operator, V viewer of the account; S system by its own role. */
export type Letter = 'A' | 'O' | 'V' | 'S'

/** Who may call what. Written down here once more, apart from what routes and permissions say. */
export const whoMay: Readonly<Record<string, string>> = {
  createToken: 'anyone',
  createSession: 'anyone',
  deleteSession: 'anyone',
  getSession: 'AOVS',

  listAccounts: 'AOVS',
  getAccount: 'AOVS',
  getAccountUsage: 'AOVS',
  createAccount: 'S',
  updateAccount: 'AS',
  deleteAccount: 'S',

  listCredentials: 'A',
  getCredential: 'A',
  createCredential: 'A',
  updateCredential: 'A',
  deleteCredential: 'A',
  rotateCredentialSecret: 'A',

  listStorageAccounts: 'AO',
  getStorageAccount: 'AO',
  getStorageAccountUsage: 'AO',
  createStorageAccount: 'A',
  updateStorageAccount: 'A',
  deleteStorageAccount: 'A',

  listChannels: 'AOV',
  getChannel: 'AOV',
  createChannel: 'AO',
  updateChannel: 'AO',
  deleteChannel: 'AO',
  startChannel: 'AO',
  stopChannel: 'AO',
  resetChannel: 'AO',
  getChannelKeys: 'AO',
  getChannelPreview: 'AOV',
  rotateChannelKey: 'AO',
  listAdMarkers: 'AOV',
  createAdMarker: 'AO',
  deleteAdMarker: 'AO',

  listPrograms: 'AOV',
  getProgram: 'AOV',
  createProgram: 'AO',
  updateProgram: 'AO',
  deleteProgram: 'AO',
  startProgram: 'AO',
  stopProgram: 'AO',

  listAssets: 'AOV',
  getAsset: 'AOV',
  getAssetUsage: 'AOV',
  createAsset: 'AO',
  clipAsset: 'AO',
  updateAsset: 'AO',
  deleteAsset: 'AO',
  listAssetFiles: 'AOV',
  getAssetFile: 'AOV',
  createAssetFile: 'AO',
  updateAssetFile: 'AO',
  deleteAssetFile: 'AO',
  readAssetFileContent: 'AOV',
  writeAssetFileContent: 'AO',

  listFilters: 'AOV',
  getFilter: 'AOV',
  createFilter: 'AO',
  updateFilter: 'AO',
  deleteFilter: 'AO',

  listLocators: 'AOV',
  getLocator: 'AOV',
  listLocatorPaths: 'AOV',
  createLocator: 'AO',
  deleteLocator: 'AO',

  listContentKeys: 'AO',
  getContentKey: 'AO',
  createContentKey: 'A',
  exportContentKey: 'A',
  updateContentKey: 'A',
  deleteContentKey: 'A',

  listKeyAuthorizationPolicies: 'A',
  getKeyAuthorizationPolicy: 'A',
  createKeyAuthorizationPolicy: 'A',
  updateKeyAuthorizationPolicy: 'A',
  deleteKeyAuthorizationPolicy: 'A',

  listDeliveryPolicies: 'AOV',
  getDeliveryPolicy: 'AOV',
  createDeliveryPolicy: 'A',
  updateDeliveryPolicy: 'A',
  deleteDeliveryPolicy: 'A',

  listStreamingEndpoints: 'AOV',
  getStreamingEndpoint: 'AOV',
  updateStreamingEndpoint: 'A',
  startStreamingEndpoint: 'AO',
  stopStreamingEndpoint: 'AO',
  scaleStreamingEndpoint: 'AO',

  listEventSubscriptions: 'AO',
  getEventSubscription: 'AO',
  createEventSubscription: 'A',
  updateEventSubscription: 'A',
  deleteEventSubscription: 'A',
  rotateEventSubscriptionSecret: 'A',
  listDeadLetters: 'AO',
  getDeadLetter: 'AO',
  deleteDeadLetter: 'A',
  replayDeadLetter: 'A',
  replayDeadLetters: 'A',

  listEvents: 'AOV',
  listAuditRecords: 'AS',
  listOperations: 'AOVS',
  getOperation: 'AOVS',
}

/** Judged by the credential's own role and account, whatever account it picks. */
export const judgedByOwn = [
  'listAccounts',
  'getAccount',
  'getAccountUsage',
  'createAccount',
  'updateAccount',
  'deleteAccount',
]

/** What an answer may tell of which all others must say nothing. */
export const tellsSecrets: Readonly<Record<string, 'api-key' | 'stream-key' | 'subscription-secret' | 'content-key'>> =
  {
    createCredential: 'api-key',
    rotateCredentialSecret: 'api-key',
    createChannel: 'stream-key',
    getChannelKeys: 'stream-key',
    rotateChannelKey: 'stream-key',
    exportContentKey: 'content-key',
    createEventSubscription: 'subscription-secret',
    rotateEventSubscriptionSecret: 'subscription-secret',
  }
