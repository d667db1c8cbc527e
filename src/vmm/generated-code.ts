import type { GuestConfig } from "../guest.ts";
import { DEFAULT_GUEST_TLB, fastExitOptions, GuestCpu, HostKernel } from "../kvm/index.ts";
import { DEFAULT_CPU_MODEL } from "../machine/cpu-models.ts";
import { Machine } from "../machine/machine.ts";
import { formatListing, type ListingLine } from "../uasm/listing.ts";
import { checkSettings, modelOf } from "./check-config.ts";

/** Parts of the code that the hypervisor generates at run time. */
export const CODE_PARTS = ["refill", "entry", "exit", "fast-exit", "host"] as const;

/** One of {@link CODE_PARTS}. */
export type CodePart = (typeof CODE_PARTS)[number];

/** Sections of a vcpu's code that a part consists of. The section with vcpu_run has the end of an exit before it. */
const SECTIONS: Readonly<Record<Exclude<CodePart, "host">, RegExp>> = {
  refill: /^tlb_refill$/,
  entry: /^exit_and_entry$/,
  exit: /^(general|interrupt_.|exit_and_entry)$/,
  "fast-exit": /^(fast_exit|routine_.*)$/,
};

/** Host memory of a machine that only shows its code. */
const RAM_BYTES = 2 ** 20;

/**
 * The code that the hypervisor generates for a guest on this host, as text: address, word, instruction and comment
 * in a line. "refill" is the TLB refill handler; "exit" what the exception vectors lead to, up to the way back;
 * "entry" vcpu_run and the way into the guest; "fast-exit" what settles traps inside the machine; "host" the host
 * kernel's own vectors and routines. Throws RangeError if there is no such
 * part, and what `createGuest` throws for a configuration that cannot work.
 */
export function generatedCode(
  part: CodePart,
  config: Pick<GuestConfig, "hostCpu" | "hostPageSize" | "refill" | "dyntrans"> = {},
): string {
  if (!CODE_PARTS.includes(part))
    throw new RangeError(`there is no such part of the code: choose from ${CODE_PARTS.join(", ")}`);
  checkSettings(config);
  const model = modelOf(config.hostCpu ?? DEFAULT_CPU_MODEL);
  const machine = new Machine(
    { model, endian: "little", ramBytes: RAM_BYTES, guestTime: "user", hostCalls: true },
    () => ({ run: () => 0 }),
  );
  const host = new HostKernel(machine, { pageSize: config.hostPageSize ?? 4096 });
  const format = (blocks: readonly (readonly ListingLine[])[]): string =>
    blocks.map(formatListing).join("\n");
  if (part === "host") return format(host.code.sections.map(({ lines }) => lines));
  const guestCpu = new GuestCpu(DEFAULT_GUEST_TLB, null);
  const registers = host.pages.alloc(host.pages.pageSize);
  const code = host.buildVcpuCode(
    config.refill ?? "fast",
    fastExitOptions(guestCpu, registers, config.dyntrans === "on"),
  );
  const isOf = ({ address }: ListingLine): boolean =>
    part === "entry" ? address >= code.vcpuRun : part !== "exit" || address < code.vcpuRun;
  return format(
    [...code.sections, ...(code.routines?.sections ?? [])]
      .filter(({ name }) => SECTIONS[part].test(name))
      .map(({ lines }) => lines.filter(isOf)),
  );
}
