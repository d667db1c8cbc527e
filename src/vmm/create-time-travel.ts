import { GuestConfigError, type GuestConfig } from "../guest.ts";
import { checkSettings } from "./check-config.ts";
import { createMachineGuest, restoreMachineGuest, type RestoreConfig } from "./create-guest.ts";
import type { OutputCallbacks } from "./machine-guest.ts";
import type { LoggedInput } from "./input-log.ts";
import { decodeRecording } from "./recording.ts";
import { TimeTravel, type TimeTravelOptions } from "./time-travel.ts";

/** Throws what `createGuest` throws of a configuration, and TypeError. */
function check(config: Partial<GuestConfig>, options: TimeTravelOptions): void {
  checkSettings(config);
  if (typeof options !== "object" || options === null)
    throw new TypeError(`the options are an object, not ${String(options)}`);
  if (config.clock === "wall")
    throw new GuestConfigError("clock", "by the wall clock nothing comes again: use the virtual clock");
}

/** A guest as `createGuest` makes it, which can be turned back. Throws what that throws. */
export function createTimeTravel(config: GuestConfig, options: TimeTravelOptions = {}): TimeTravel {
  check(config, options);
  return new TimeTravel((muted) => createMachineGuest({ ...config, ...muted }), config, options);
}

/** A guest as `restoreGuest` makes it, which can be turned back. Throws what that throws. */
export function restoreTimeTravel(
  snapshot: Uint8Array,
  config: RestoreConfig,
  options: TimeTravelOptions = {},
): TimeTravel {
  return fromSnapshot(snapshot, config, options, []);
}

/**
 * The guest of a recording (`TimeTravel.recording`) at its start. As it is run, it is given what it was given then; when
 * that has come to its end, or an input is given to it before, it goes on in its own way. Throws SnapshotError if the
 * recording cannot be used, GuestConfigError if the configuration cannot.
 */
export function replayGuest(
  recording: Uint8Array,
  config: RestoreConfig,
  options: TimeTravelOptions = {},
): TimeTravel {
  const { snapshot, inputs } = decodeRecording(recording);
  return fromSnapshot(snapshot, config, options, inputs);
}

function fromSnapshot(
  snapshot: Uint8Array,
  config: RestoreConfig,
  options: TimeTravelOptions,
  inputs: readonly LoggedInput[],
): TimeTravel {
  check(config, options);
  const create = (muted: OutputCallbacks) =>
    restoreMachineGuest(snapshot, { ...config, clock: "virtual", ...muted });
  return new TimeTravel(create, config, options, inputs);
}
