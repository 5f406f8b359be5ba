// Brings what is missing before a start or a test: npm packages, Debian packages (as root), the built player page.
// Plain JavaScript in Node 20's syntax without dependencies. Usage: node scripts/setup.mjs start|test
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runtimeFolder } from './runtime.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const purpose = process.argv[2] ?? 'start'

function say(text) {
  console.error(`setup: ${text}`)
}

function fail(text) {
  say(text)
  process.exit(1)
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options })
  return result.status === 0
}

function digest(files) {
  const hash = createHash('sha256')
  for (const file of files) hash.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0')
  return hash.digest('hex')
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !['dist', 'node_modules'].includes(entry.name))
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)]))
    .sort()
}

function readOr(file, fallback) {
  return existsSync(file) ? readFileSync(file, 'utf8') : fallback
}

function installPackages() {
  const stamp = join(root, 'node_modules', '.headend-lock')
  const wanted = digest([join(root, 'package-lock.json')])
  if (existsSync(join(root, 'node_modules', '.package-lock.json')) && readOr(stamp, '') === wanted) return
  say('installing npm packages')
  if (!run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])) fail('npm ci failed; its message is above.')
  writeFileSync(stamp, wanted)
}

function onPath(program) {
  const names = process.platform === 'win32' ? [`${program}.exe`] : [program]
  return [...(process.env.PATH ?? '').split(delimiter), ...postgresFolders()].some((folder) =>
    names.some((name) => existsSync(join(folder, name)) && statSync(join(folder, name)).isFile()),
  )
}

/** Debian packages by the program each is wanted for. */
function debianPackages() {
  const wanted = process.env.FFMPEG_PATH ? [] : [{ program: 'ffmpeg', name: 'ffmpeg' }]
  if (purpose !== 'test') return wanted
  return [
    ...wanted,
    { program: 'ffprobe', name: 'ffmpeg' },
    { program: 'chromium', name: 'chromium' },
    { program: 'promtool', name: 'prometheus' },
    { program: 'openssl', name: 'openssl' },
    { program: 'fc-list', name: 'fontconfig' },
    { program: 'postgres', name: 'postgresql' },
  ]
}

/** Debian keeps PostgreSQL's server programs out of PATH, in a folder for each version. */
function postgresFolders() {
  const root = '/usr/lib/postgresql'
  return existsSync(root) ? readdirSync(root).map((version) => join(root, version, 'bin')) : []
}

function installDebianPackages() {
  const missing = debianPackages().filter(({ program }) => !onPath(program))
  if (missing.length === 0) return
  const names = [...new Set([...missing.map(({ name }) => name), 'fonts-dejavu-core'])]
  const isRoot = process.getuid?.() === 0
  if (!isRoot || !onPath('apt-get')) {
    fail(
      `${missing.map(({ program }) => program).join(', ')} not found. Install it, for example with ` +
        `\`sudo apt-get install ${names.join(' ')}\`, or set FFMPEG_PATH to an ffmpeg of version 5.1 or newer.`,
    )
  }
  say(`installing ${names.join(', ')} with apt`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...names]
  if (
    !run('apt-get', ['update', '-qq'], { env }) ||
    !run('apt-get', install, { env, stdio: ['ignore', 'ignore', 2] })
  ) {
    fail(`apt-get could not install ${names.join(', ')}; its message is above.`)
  }
}

function buildPlayer() {
  const folder = join(root, 'player')
  const stamp = join(folder, 'dist', '.built-from')
  const wanted = digest([...filesBelow(folder), join(root, 'package-lock.json')])
  if (readOr(stamp, '') === wanted) return
  say('building the player page')
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js')
  const node = join(runtimeFolder() ?? dirname(process.execPath), 'node')
  if (!run(node, [vite, 'build', 'player', '--logLevel', 'warn']))
    fail('the player page could not be built; see above.')
  writeFileSync(stamp, wanted)
}

installPackages()
installDebianPackages()
buildPlayer()
