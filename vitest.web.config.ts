import { defineConfig } from "vitest/config";
import { reporters, retry } from "./tools/test-report.ts";

/**
 * `npm run test:web`: the built page in a real Chromium, and the engines in Firefox as well. What is not there is skipped,
 * with a line that says so.
 */
export default defineConfig({
  test: {
    include: ["test/web/**/*.test.ts"],
    reporters,
    retry,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Times are measured: one browser at a time.
    maxWorkers: 1,
    fileParallelism: false,
  },
});
