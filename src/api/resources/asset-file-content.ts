import { type AssetFile, assetFileSchema } from '../../domain/asset-file.ts'
import { fileBlob } from '../../domain/storage-task.ts'
import { contentDisposition } from '../../lib/content-disposition.ts'
import { AppError } from '../../lib/errors.ts'
import { chooseRange, matchesEtag } from '../../lib/http-conditions.ts'
import { type Answer, type RestRequest, type Route, route } from '../rest/route.ts'
import { AssetFileUpload } from './asset-file-upload.ts'
import { assetOf, assetPath, fileOf, placeOf, type StorageDeps } from './storage-deps.ts'

const path = `${assetPath}/files/{fileId}/content`
const tag = 'assets'
const resource = 'asset-file'

/** The bytes of a file. */
export function assetFileContentRoutes(deps: StorageDeps): Route[] {
  return [
    route({
      method: 'get',
      path,
      operationId: 'readAssetFileContent',
      summary: 'Download a file, or a range of it',
      tag,
      access: { action: 'read', resource },
      answers: {
        200: { description: 'The bytes, in the media type of the file.', mediaType: '*/*' },
        206: { description: 'The bytes of the range that was asked for.', mediaType: '*/*' },
        304: { description: 'They are what the client has already.' },
        409: {
          description: 'There is nothing to download before the file is Ready.',
          mediaType: 'application/problem+json',
        },
        416: { description: 'There are no bytes in that range.', mediaType: 'application/problem+json' },
      },
      handle: (request) => download(deps, request),
    }),
    route({
      method: 'put',
      path,
      operationId: 'writeAssetFileContent',
      summary: 'Upload a file that was announced; whole, or it has Failed and may be uploaded again',
      tag,
      access: { action: 'operate', resource },
      bytes: true,
      answers: { 200: { description: 'The file, Ready.', schema: assetFileSchema } },
      async handle(request) {
        const [file, asset] = await Promise.all([fileOf(deps, request), assetOf(deps, request)])
        const place = await placeOf(deps, asset)
        // Before anything is written down: where the key can't be had there is nothing to begin.
        const storage = await deps.assetStorages.of(asset, place)
        const upload = new AssetFileUpload(deps, request, file, { place, storage })
        return { status: 200, body: await upload.run() }
      },
    }),
  ]
}

/** The digest is of what the bytes are: no two contents have one. A file's never change while it is Ready. */
function etagOf({ sha256 = '' }: AssetFile): string {
  return `"${sha256}"`
}

async function download(deps: StorageDeps, request: RestRequest): Promise<Answer> {
  const file = await fileOf(deps, { ...request, ifMatch: undefined })
  if (file.state !== 'Ready') {
    const message = `The file is ${file.state}: there is nothing to download before it is Ready.`
    throw new AppError('STATE_CONFLICT', message, { details: { state: file.state } })
  }
  const { sizeBytes = 0, mimeType, name } = file
  const etag = etagOf(file)
  const validators = { ETag: etag, 'Cache-Control': 'private, no-cache', 'Accept-Ranges': 'bytes' }
  if (matchesEtag(request.header('If-None-Match'), etag)) return { status: 304, headers: validators }
  const range = chooseRange(request.header('Range'), request.header('If-Range'), etag, sizeBytes)
  if (range === 'unsatisfiable') return unsatisfiable(sizeBytes)
  const part = range === 'whole' ? undefined : range
  const asset = await assetOf(deps, request)
  const storage = await deps.assetStorages.of(asset, await placeOf(deps, asset))
  const found = await storage.readRange(fileBlob(file), part, { signal: request.signal })
  if (found === undefined || found.sizeBytes !== sizeBytes) {
    found?.stream.destroy()
    throw new AppError('STORAGE_DOWN', 'The content of the file is not in its storage.', {
      details: { fileId: file.id },
    })
  }
  return {
    status: part ? 206 : 200,
    stream: found.stream,
    headers: {
      ...validators,
      'Content-Type': mimeType,
      'Content-Length': String(part ? part.last - part.first + 1 : sizeBytes),
      ...(part && { 'Content-Range': `bytes ${part.first}-${part.last}/${sizeBytes}` }),
      'Content-Disposition': contentDisposition(name),
      // What somebody uploaded comes from the address at which others are logged in: no browser may run it here.
      'Content-Security-Policy': "default-src 'none'; sandbox",
      'X-Content-Type-Options': 'nosniff',
    },
  }
}

function unsatisfiable(sizeBytes: number): Answer {
  const detail = `The file has ${sizeBytes} bytes.`
  return {
    status: 416,
    body: { type: 'about:blank', title: 'Range Not Satisfiable', status: 416, detail },
    headers: { 'Content-Type': 'application/problem+json', 'Content-Range': `bytes */${sizeBytes}` },
  }
}
