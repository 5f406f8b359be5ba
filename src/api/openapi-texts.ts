/** What holds for every route: the first thing that a reader of the document is told. */
export const apiDescription = `Live contribution in, a presentation for every player out: channels take in what encoders publish, programs cut
recordings from them into assets, locators publish assets under a URL. What a program records stays, as on-demand at the same
URL; a program that is started again goes on in the same recording.

**Credentials.** Send an API key, or a short token made from one, as \`Authorization: Bearer …\`. A credential belongs to one account
and has a role: \`viewer\` looks on, \`operator\` runs the show, \`admin\` also manages credentials and storage. The \`system\` credential
manages accounts, and acts in the one that it names in \`Headend-Account\`. What belongs to another account is not there: 404.

**Reading.** Lists come in pages of \`limit\`, oldest first unless they say otherwise; \`nextCursor\` of one is \`cursor\` of the next. Times are ISO 8601 in UTC,
durations ISO 8601 (\`PT4H\`).

**Writing.** \`PATCH\` takes a merge patch (RFC 7396): what is left out stays, \`null\` removes. Every entity has an etag; with
\`If-Match\` a write is refused (412) where somebody else has written since. With an \`Idempotency-Key\` a \`POST\` that
takes one can be repeated safely: it shows what the first made; secrets that are shown once are not shown again.

**What takes a while** answers 202 with an operation, and the entity shows that it is on its way. Poll the operation, or let
\`?wait=30s\` hold the answer back until it is done.

**Errors** are problem documents (RFC 9457). \`code\` is stable, \`detail\` is for people, \`problems\` says which fields are at fault, as JSON
pointers.`

/** What each group of routes is about. */
export const tagDescriptions: Readonly<Record<string, string>> = {
  accounts: 'Own everything else; nothing leaks from one to another.',
  assets: 'Keep media: uploaded files, and (in memory, for as long as the process lives) what programs cut.',
  audit: 'Who did what to what, and when.',
  channels: 'Take contribution in. Ingest URL and keys exist from creation; media is accepted only while Running.',
  'content-keys':
    'What media is encrypted with on its way to players, who get the keys by their KIDs from the streaming endpoint.',
  credentials: 'Who may use the API, and as what.',
  'dead-letters': 'Events that a webhook could not be given.',
  'delivery-policies': 'How assets may be delivered: by which protocols, clear or encrypted.',
  'event-subscriptions': 'Webhooks: events, posted to a URL, signed and in order.',
  events: 'What happened, to be read or followed.',
  filters: 'Which part and which tracks of a presentation players are shown, who name them in a URL.',
  'key-authorization-policies': 'Who gets content keys: anybody, addresses, or whoever has a token.',
  locators: 'Publish an asset under a URL, from a time to a time, until they are deleted.',
  operations: 'What takes a while.',
  programs: 'Cut a recorded presentation from a channel into an asset.',
  sessions: 'Tokens for programs and sessions for browsers.',
  'storage-accounts': 'Places for media: folders on the server’s disks, and buckets of S3 or of a service like it.',
  'streaming-endpoints': 'Package and serve what locators publish.',
}
