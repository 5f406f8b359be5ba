import 'media-chrome/media-controller'
import 'media-chrome/media-fullscreen-button'
import 'media-chrome/media-loading-indicator'
import 'media-chrome/media-mute-button'
import 'media-chrome/media-pip-button'
import 'media-chrome/media-play-button'
import 'media-chrome/media-volume-range'
import './page.css'
import './controls.css'
import './overlay.css'
import './small-screen.css'
import { loadDefaultSource, readPageRequest } from './address.ts'
import { Page } from './page.ts'

const request = readPageRequest(location.search, location.hash)
document.documentElement.classList.toggle('embed', request.embed)
const page = new Page()
window.headend = {
  state: () => page.state(),
  setQuality: (index) => page.setQuality(index),
  setText: (index) => page.setText(index),
  setProtocol: (protocol) => page.setProtocol(protocol),
  setToken: (token) => page.setToken(token),
}
const given = request.source.hls !== undefined || request.source.dash !== undefined
page.prefer(request)
page.open(given ? request.source : await loadDefaultSource(), request.protocol)
