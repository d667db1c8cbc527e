/**
 * kseg for pages, `kseg/web`: guests in workers. All that a page may use, and nothing else is kept stable. The worker
 * itself is `kseg/web/worker`.
 */
export { GuestClient, type Listeners } from "./client.ts";
export { openPackage } from "./open-package.ts";
export { serve } from "./serve.ts";
export type {
  GuestFiles,
  MapRequest,
  Miss,
  MissStep,
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
  PACKAGE_SETTINGS,
  presetOf,
  readSettings,
  SettingError,
  SETTINGS,
  settingsQuery,
  settingText,
  type Setting,
} from "./settings.ts";
