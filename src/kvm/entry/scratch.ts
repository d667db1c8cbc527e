import { CP0 } from "../../isa/cp0.ts";

/** CP0 registers, by flat index, that the generated code keeps its own values in. */
export interface ScratchRegisters {
  /** The host kernel's own scratch register for its TLB handlers; null if there is none. */
  readonly hostHandler: number | null;
  /** Holds the current pgd; null if the handlers must load it from memory. */
  readonly pgd: number | null;
  /** Holds the VCPU pointer while the guest runs. The host's value is saved at entry and restored at exit. */
  readonly vcpu: number;
  /** Holds the guest's k1 for the length of a handler. */
  readonly temp: number;
  /** True if the host may keep something in `temp`, so that it is saved and restored too. */
  readonly saveTemp: boolean;
}

/** Which KScratch registers there are. */
export interface ScratchBank {
  /** CP0 register number of the bank: 31, or 22 on NetLogic XLP and XLR. */
  readonly register: 31 | 22;
  /** Bit n set: select n exists (Config4.KScrExist; on NetLogic a fixed 0Fh). */
  readonly selects: number;
}

/** The bank of NetLogic's CPUs, which predates Config4.KScrExist. */
export const NETLOGIC_SCRATCH: ScratchBank = { register: 22, selects: 0x0f };

/**
 * Shares out the scratch registers of `bank`. The host takes its handler scratch first and the pgd register
 * next. KVM leaves out only the pgd register: it takes the lowest select for the VCPU pointer, shared with
 * the host's handler scratch, and the next for the temporary. Without KScratch the VCPU pointer goes to
 * DDataLo and the temporary to ErrorEPC, in which a host keeps nothing.
 */
export function selectScratch(bank: ScratchBank): ScratchRegisters {
  const present: number[] = [];
  for (let select = 0; select < 8; select++)
    if ((bank.selects >>> select) & 1) present.push(bank.register * 8 + select);
  const hostHandler = present[0] ?? null;
  const pgd = present[1] ?? null;
  const [vcpu, temp] = present.filter((register) => register !== pgd);
  return {
    hostHandler,
    pgd,
    vcpu: vcpu ?? CP0.DDataLo,
    temp: temp ?? CP0.ErrorEPC,
    saveTemp: temp !== undefined,
  };
}
