import { defineConfig } from 'vitest/config';

// For `scripts/build-ui run npx vite`: the pages from here, everything else from a running server.
const server = process.env.MILLRACE_URL ?? 'http://127.0.0.1:8000';

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: ['chrome123', 'firefox121', 'safari17.5'],
    assetsInlineLimit: 0, // data: URLs of scripts and styles are against the policy
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 300,
    rolldownOptions: { checks: { pluginTimings: false } }, // says how busy the machine is, not what is wrong
  },
  server: { proxy: { '/v1': server, '/v2': server, '/ui': server, '/version': server } },
  test: { environment: 'node', include: ['src/**/*.test.ts'], testTimeout: 60_000 }, // against hanging; a busy machine is slow
});
