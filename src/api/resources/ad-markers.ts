import { z } from 'zod'
import { type AdMarkerView, adMarkerCreateSchema, adMarkerSchema } from '../../domain/ad-marker.ts'
import type { Channel } from '../../domain/channel.ts'
import { fieldError } from '../../domain/validation.ts'
import { AppError, FormatError } from '../../lib/errors.ts'
import { readSpliceInfo } from '../../media/scte35/splice-info.ts'
import { type Route, route } from '../rest/route.ts'
import { type ChannelDeps, channelOf, channelPath, channelSubject } from './channel-deps.ts'
import type { AdMarkers } from './ports.ts'

const tag = 'channels'
const path = `${channelPath}/ad-markers`
const onePath = `${path}/{markerId}`
const entityAnswer = { description: 'The marker as it is now.', schema: adMarkerSchema }
const listSchema = z
  .strictObject({ items: z.array(adMarkerSchema) })
  .meta({ id: 'AdMarkerList', description: 'The markers that the channel knows, in the order of their start.' })

/** `/v1/channels/{channelId}/ad-markers`: breaks for advertisements in what the channel shows now. */
export function adMarkerRoutes(deps: ChannelDeps): Route[] {
  return [listing(deps), adding(deps), ending(deps)]
}

function runningMarkers(deps: ChannelDeps, { id, state }: Channel): AdMarkers | undefined {
  return state === 'Running' ? deps.channels.adMarkers?.(id) : undefined
}

function markersOf(deps: ChannelDeps, channel: Channel): AdMarkers {
  const markers = runningMarkers(deps, channel)
  if (markers) return markers
  const { name, state } = channel
  throw new AppError('STATE_CONFLICT', `The channel ${name} is not running here: it is ${state}.`, {
    details: { state },
  })
}

function listing(deps: ChannelDeps): Route {
  return route({
    method: 'get',
    path,
    operationId: 'listAdMarkers',
    summary: 'List the ad markers that a channel knows; none while it does not run',
    tag,
    access: { action: 'read', resource: 'channel' },
    answers: { 200: { description: 'The markers.', schema: listSchema } },
    async handle(request) {
      const channel = await channelOf(deps, request)
      return { status: 200, body: { items: runningMarkers(deps, channel)?.list() ?? [] } }
    },
  })
}

function adding(deps: ChannelDeps): Route {
  return route({
    method: 'post',
    path,
    operationId: 'createAdMarker',
    summary: 'Begin or end a break for advertisements',
    description:
      'The marker stands in the manifests of the preview and of every running program: `EXT-X-DATERANGE` with SCTE-35 in HLS, an `EventStream` in DASH.',
    tag,
    access: { action: 'operate', resource: 'channel' },
    body: adMarkerCreateSchema,
    answers: {
      200: { description: 'It was there already, or a break is over now.', schema: adMarkerSchema },
      201: { description: 'The new marker.', schema: adMarkerSchema },
    },
    async handle(request) {
      const channel = await channelOf(deps, request)
      const { body } = request
      if (body.scte35 !== undefined) assertSplice(body.scte35)
      const markers = markersOf(deps, channel)
      markers.check(body)
      await request.commit(request.changes(`channel.${body.type}`, channelSubject(channel)))
      const { marker, isNew } = markers.take(body)
      if (!isNew) return { status: 200, body: marker }
      return { status: 201, body: marker, headers: { Location: locationOf(channel, marker) } }
    },
  })
}

function assertSplice(base64: string): void {
  try {
    readSpliceInfo(Uint8Array.from(Buffer.from(base64, 'base64')))
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    const detail = `must be a splice_info_section of SCTE 35 in the clear: ${error.message}`
    throw fieldError('REQUEST_INVALID', [{ pointer: '/scte35', detail }])
  }
}

function locationOf({ id }: Channel, marker: AdMarkerView): string {
  return `/v1/channels/${id}/ad-markers/${encodeURIComponent(marker.id)}`
}

function ending(deps: ChannelDeps): Route {
  return route({
    method: 'delete',
    path: onePath,
    operationId: 'deleteAdMarker',
    summary: 'End a break that goes on; call one off that has not begun',
    tag,
    access: { action: 'operate', resource: 'channel' },
    answers: { 200: entityAnswer },
    async handle(request) {
      const channel = await channelOf(deps, request)
      const markers = runningMarkers(deps, channel)
      const markerId = request.params['markerId'] ?? ''
      if (!markers?.has(markerId)) throw new AppError('ENTITY_NOT_FOUND', `The channel has no marker ${markerId}.`)
      await request.commit(request.changes('channel.delete-ad-marker', channelSubject(channel)))
      return { status: 200, body: markers.end(markerId) }
    },
  })
}
