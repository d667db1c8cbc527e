/**
 * kseg for pages, `kseg/web`: guests in workers. All that a page may use, and nothing else is kept stable. The worker
 * itself is `kseg/web/worker`.
 */

// The page's end of a guest
export { GuestClient, type Listeners } from "./client.ts";

// Files and settings of a guest
export { openPackage } from "./open-package.ts";
export type {
  GuestFiles,
  ListedPart,
  ListedWord,
  MapRequest,
  Miss,
  MissStep,
  MissWay,
  PackageParts,
  Port,
  Report,
  Request,
  RunState,
  Sample,
  Settings,
  Views,
  Watched,
} from "./protocol.ts";
export {
  changeSettings,
  kernelSettings,
  PACKAGE_SETTINGS,
  readSettings,
  SettingError,
  SETTINGS,
  settingsQuery,
  settingText,
  type Choice,
  type Free,
  type Setting,
} from "./settings.ts";
