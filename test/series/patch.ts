import type { HostPageSize } from "../../src/kvm/page-format.ts";
import { CPU_MODELS } from "../../src/machine/cpu-models.ts";

/** A host that the series is shown on. */
export interface Host {
  readonly model: string;
  readonly pageSize: HostPageSize;
}

/** Every executable host model with both page sizes. */
export const HOSTS: readonly Host[] = Object.keys(CPU_MODELS).flatMap((model) =>
  ([4096, 16384] as const).map((pageSize) => ({ model, pageSize })),
);

/** One patch of the series, and what shows on a host that kseg has what it brought. */
export interface Patch {
  readonly number: number;
  readonly title: string;
  /** Behaviour, or restructuring whose effect is observed. */
  readonly kind: "behaviour" | "restructuring";
  /** Throws an AssertionError where the host does not have it. */
  readonly test: (host: Host) => void;
}

/** A replacement in one source file. */
export interface Edit {
  /** Path from the top of the checkout. */
  readonly file: string;
  /** What is replaced: occurs exactly once in the file. */
  readonly text: string;
  readonly replacement: string;
}

/** Edits that take a patch, or a part of it, out of kseg again: its test must then fail. */
export interface Mutation {
  readonly patch: number;
  /** What is so again as it was before the patch. */
  readonly undoes: string;
  readonly edits: readonly Edit[];
}
