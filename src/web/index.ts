/** kseg for pages: guests in workers. What a page needs besides the worker itself, `worker.ts`. */
export { GuestClient, type Listeners } from "./client.ts";
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
