import type { IsmTarget } from './ism-target.ts'
import type { RequestKind } from './ports.ts'
import type { Child, Target } from './target.ts'

/** What a request counts as. */
export function kindOf(target: Target): RequestKind {
  switch (target.kind) {
    case 'child':
      return kindOfChild(target.child)
    case 'ism':
      return kindOfIsm(target.target)
    case 'file':
      return 'download'
    case 'thumbnail-track':
      return 'thumbnail'
    default:
      return target.kind
  }
}

function kindOfChild(child: Child): RequestKind {
  switch (child.kind) {
    case 'playlist':
      return 'media-playlist'
    case 'transport-playlist':
      return child.list === 'v4-iframes' ? 'iframe-playlist' : 'media-playlist'
    case 'transport-segment':
    case 'numbered':
      return 'segment'
    case 'text':
      if (child.part === 'playlist') return 'media-playlist'
      return child.part === 'init' ? 'init' : 'segment'
    // It ends within its media, as a byte range of it would.
    case 'key-frame':
      return 'other'
    case 'sprite':
    case 'thumbnail-track':
      return 'thumbnail'
    default:
      return child.kind
  }
}

function kindOfIsm(target: IsmTarget): RequestKind {
  switch (target.kind) {
    case 'manifest':
      if (target.format === 'fmp4-v20') return 'smooth-manifest'
      return target.format.startsWith('m3u8') ? 'master' : 'mpd'
    case 'playlist':
      return target.keyFramesOnly ? 'iframe-playlist' : 'media-playlist'
    case 'fragment':
      return target.time === 'init' ? 'init' : 'segment'
    case 'smooth-fragment':
      return 'smooth-fragment'
    case 'thumbnail':
      return 'thumbnail'
  }
}
