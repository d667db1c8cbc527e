import { defineConfig } from "vitest/config";
import { reporters, retry } from "./tools/test-report.ts";

/**
 * `npm run test:package`: what `npm pack` makes, installed in an empty folder, under the versions of Node that it is
 * for, and in a browser. What cannot be downloaded is skipped, with a line that says so.
 */
export default defineConfig({
  test: {
    include: ["test/package/**/*.test.ts"],
    reporters,
    retry,
    testTimeout: 120_000,
    hookTimeout: 300_000,
    maxWorkers: 1,
    fileParallelism: false,
  },
});
