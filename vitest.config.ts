import { defineConfig } from "vitest/config";
import { reporters, retry } from "./tools/test-report.ts";

/** `npm test`: everything that needs nothing but this checkout, and what more the machine happens to offer. */
export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["test/boot/**", "test/package/**", "test/web/**"],
    reporters,
    retry,
    // Two cores are what is promised; a test that runs a guest may have to wait for its turn.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
