import { defineConfig } from "vitest/config";
import { reporters, retry } from "./tools/test-report.ts";

/** `npm run test:boot`: real guests from the cache (docs/guests.md), as a user starts them. Takes minutes. */
export default defineConfig({
  test: {
    include: ["test/boot/**/*.test.ts"],
    reporters,
    retry,
    testTimeout: 600_000,
    hookTimeout: 600_000,
    maxWorkers: 2,
  },
});
