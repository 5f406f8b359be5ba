import { defineConfig } from 'vite'

/** The page is served by the control listener under `/player/`; the two engines are chunks of their own, loaded when chosen. */
export default defineConfig({
  root: import.meta.dirname,
  base: '/player/',
  publicDir: false,
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // An inlined module would need a looser content security policy, and a size report costs build time.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1_000,
    modulePreload: { polyfill: false },
  },
})
